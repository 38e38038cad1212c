// Makes the CSS of a mail harmless: what is left can colour, space and size, but neither load
// anything (url(), @import, @font-face: that is how style tells a stranger what is read, or leaks the
// page), nor lie over other things, nor break out of its <style>. Pure, so that it is tested
// without a browser. The frame's own policy stands behind it.

const PROPERTIES = new RegExp(
  '^(?:' +
    [
      'color', 'background(?:-color)?', 'opacity', 'visibility', 'display', 'float', 'clear', 'direction',
      'border(?:-[a-z-]+)?', 'margin(?:-[a-z-]+)?', 'padding(?:-[a-z-]+)?', 'outline(?:-[a-z]+)?',
      'font(?:-(?:family|size|style|weight|variant|stretch|kerning))?', 'text-[a-z-]+', 'line-height',
      'letter-spacing', 'word-(?:break|spacing|wrap)', 'white-space', 'overflow(?:-[a-z]+)?', 'hyphens',
      'vertical-align', '(?:min-|max-)?(?:width|height)', 'list-style(?:-type|-position)?',
      'table-layout', 'caption-side', 'empty-cells', 'box-sizing', 'box-shadow', 'object-fit',
      'flex(?:-[a-z]+)?', 'align-[a-z]+', 'justify-[a-z]+', '(?:row-|column-)?gap', 'order', 'tab-size',
      'unicode-bidi', 'column-(?:count|width)', 'aspect-ratio',
    ].join('|') +
    ')$',
);
const FUNCTIONS = new Set(['rgb', 'rgba', 'hsl', 'hsla', 'calc', 'min', 'max', 'clamp']);
const MOST = 200_000;

/** Comments away; what is not ended goes to the end. */
function withoutComments(css: string): string {
  let out = '';
  for (let i = 0; ; ) {
    const start = css.indexOf('/*', i);
    if (start < 0) return out + css.slice(i);
    out += css.slice(i, start) + ' ';
    const end = css.indexOf('*/', start + 2);
    if (end < 0) return out;
    i = end + 2;
  }
}

function goodValue(property: string, value: string): string | null {
  // A picture behind the text is lost, its colour stays.
  let v = value;
  if (property === 'background') v = v.replace(/\burl\(\s*(?:"[^"\\]*"|'[^'\\]*'|[^"'()\\]*)\s*\)/gi, ' ');
  v = v.replace(/\s+/g, ' ').trim();
  if (v === '' || v.length > 1000) return null;
  if (/[\\<>@{};]|\/\/|expression|javascript|behaviou?r|-moz-binding/i.test(v)) return null;
  for (const m of v.matchAll(/([a-z-]*)\(/gi)) if (!FUNCTIONS.has(m[1]!.toLowerCase())) return null;
  // The frame is as high as its content: sizes that depend on its height would grow for ever.
  if (/\d(?:d|s|l)?v(?:h|min|max|b|i)\b/i.test(v)) return null;
  if ((v.match(/["']/g) ?? []).length % 2) return null;
  return v;
}

/** The declarations of a style attribute or a rule that may stay. */
export function cleanDeclarations(css: string): string {
  if (css.length > MOST) return '';
  const out: string[] = [];
  for (const part of splitOutside(withoutComments(css), ';')) {
    const colon = part.indexOf(':');
    if (colon < 0) continue;
    const property = part.slice(0, colon).trim().toLowerCase();
    if (!PROPERTIES.test(property)) continue;
    const value = goodValue(property, part.slice(colon + 1));
    if (value !== null) out.push(`${property}: ${value}`);
  }
  return out.join('; ');
}

/** Splits at a character outside of quotes and parentheses. */
function splitOutside(text: string, at: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\\') i++;
    else if (quote) {
      if (c === quote || c === '\n') quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '(') depth++;
    else if (c === ')') depth = Math.max(0, depth - 1);
    else if (c === at && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** The end of the block whose '{' is at `open`: the position of its '}', or the text's end. */
function blockEnd(css: string, open: number): number {
  let depth = 0;
  let quote = '';
  for (let i = open; i < css.length; i++) {
    const c = css[i]!;
    if (c === '\\') i++;
    else if (quote) {
      if (c === quote || c === '\n') quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '{') depth++;
    else if (c === '}' && --depth === 0) return i;
  }
  return css.length;
}

/** A whole style sheet: plain rules and those in @media, cleaned; all else is dropped. */
export function cleanSheet(css: string): string {
  if (css.length > MOST) return '';
  return cleanRules(withoutComments(css.replace(/<!--|-->/g, ' ')), 0);
}

function cleanRules(css: string, depth: number): string {
  const out: string[] = [];
  let i = 0;
  while (i < css.length) {
    const open = css.indexOf('{', i);
    const semicolon = css.indexOf(';', i);
    const head = css.slice(i, open < 0 ? css.length : open).trim();
    if (head.startsWith('@') && semicolon >= 0 && (open < 0 || semicolon < open)) {
      i = semicolon + 1; // @import, @charset, @namespace
      continue;
    }
    if (open < 0) break;
    const end = blockEnd(css, open);
    const body = css.slice(open + 1, end);
    i = end + 1;
    if (/^@media\b/i.test(head)) {
      const condition = head.slice(6).trim();
      if (depth < 2 && /^[\w\s():,.\-/<>=]*$/.test(condition) && !condition.includes('</')) {
        const rules = cleanRules(body, depth + 1);
        if (rules) out.push(`@media ${condition} {\n${rules}\n}`);
      }
      continue;
    }
    if (head.startsWith('@') || !goodSelector(head)) continue;
    const declarations = cleanDeclarations(body);
    if (declarations) out.push(`${head} { ${declarations} }`);
  }
  return out.join('\n');
}

function goodSelector(selector: string): boolean {
  return selector !== '' && selector.length < 2000 && /^[\p{L}\p{N}\s.#*>+~:,()_=^$|"'[\]-]+$/u.test(selector);
}
