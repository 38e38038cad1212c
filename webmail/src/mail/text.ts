// Plain text as it is shown: quotes that fold, a signature set back, links.

export type Piece = { text: string } | { text: string; url: string };

export interface Block {
  kind: 'text' | 'quote' | 'signature';
  /** Of quotes: how deep. */
  level: number;
  lines: string[];
}

const URLS =
  /\b(?:https?:\/\/|www\.)[^\s<>"'`{}|\\^[\]]{1,2000}|\bmailto:[^\s<>"]{1,500}|[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,20}/giu;

/** Links in a line; dots, commas and brackets behind them are not theirs. */
export function linkify(text: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  for (const m of text.matchAll(URLS)) {
    let found = m[0];
    found = found.replace(/[.,;:!?'"*_]+$/, '');
    while (/[)]$/.test(found) && found.split('(').length < found.split(')').length)
      found = found.slice(0, -1).replace(/[.,;:!?]+$/, '');
    if (!found) continue;
    if (m.index > at) out.push({ text: text.slice(at, m.index) });
    const url = /^https?:|^mailto:/i.test(found)
      ? found
      : found.toLowerCase().startsWith('www.')
        ? `https://${found}`
        : `mailto:${found}`;
    out.push({ text: found, url });
    at = m.index + found.length;
  }
  if (at < text.length) out.push({ text: text.slice(at) });
  return out;
}

function quoteLevel(line: string): number {
  const m = /^(?:> ?)+/.exec(line);
  return m ? m[0].replaceAll(' ', '').length : 0;
}

/** Splits into what was written, what was quoted and the signature. */
export function parseText(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.replace(/\r\n?/g, '\n').replace(/\s+$/, '').split('\n');
  let signature = false;
  for (const line of lines) {
    if (line === '-- ') signature = true;
    const level = signature ? 0 : Math.min(quoteLevel(line), 9);
    const kind = signature ? 'signature' : level ? 'quote' : 'text';
    const shown = level ? line.replace(/^(?:> ?)+/, '') : line;
    const last = blocks.at(-1);
    // A lone empty line between quoted ones belongs to them.
    if (last && last.kind === kind && last.level === level) last.lines.push(shown);
    else blocks.push({ kind, level, lines: [shown] });
  }
  for (const b of blocks) {
    while (b.lines.length > 1 && b.lines.at(-1) === '') b.lines.pop();
    while (b.lines.length > 1 && b.lines[0] === '') b.lines.shift();
  }
  return blocks.filter((b) => b.lines.some((l) => l !== ''));
}

/** Neighbouring quotes of any depth, as one that folds. */
export function groupQuotes(blocks: readonly Block[]): (Block | { kind: 'fold'; blocks: Block[]; lines: number })[] {
  const out: (Block | { kind: 'fold'; blocks: Block[]; lines: number })[] = [];
  for (const b of blocks) {
    const last = out.at(-1);
    if (b.kind !== 'quote') out.push(b);
    else if (last?.kind === 'fold') {
      last.blocks.push(b);
      last.lines += b.lines.length;
    } else out.push({ kind: 'fold', blocks: [b], lines: b.lines.length });
  }
  return out;
}
