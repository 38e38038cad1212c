// The search language: words, "whole phrases", and parts with a name such as from:anna. Both
// languages' names are understood whichever is shown, so that a search can be sent to somebody.

import type { EmailFilter, Id } from '../jmap/types.ts';

export type Field =
  | 'from' | 'to' | 'cc' | 'subject' | 'body' | 'before' | 'after' | 'in' | 'has' | 'is' | 'larger' | 'smaller';

export interface Term {
  field: Field | null;
  value: string;
  /** As it was written. */
  raw: string;
  not: boolean;
}

const FIELDS: Record<string, Field> = {
  from: 'from', von: 'from',
  to: 'to', an: 'to',
  cc: 'cc', kopie: 'cc',
  subject: 'subject', betreff: 'subject',
  body: 'body', text: 'body',
  before: 'before', vor: 'before',
  after: 'after', since: 'after', nach: 'after', seit: 'after',
  in: 'in',
  has: 'has', hat: 'has',
  is: 'is', ist: 'is',
  larger: 'larger', größer: 'larger',
  smaller: 'smaller', kleiner: 'smaller',
};
const ATTACHMENT = new Set(['attachment', 'attachments', 'anhang', 'anhänge']);
const STATES: Record<string, 'unread' | 'read' | 'flagged' | 'answered'> = {
  unread: 'unread', ungelesen: 'unread',
  read: 'read', gelesen: 'read',
  flagged: 'flagged', starred: 'flagged', markiert: 'flagged',
  answered: 'answered', beantwortet: 'answered',
};
const ANYWHERE = new Set(['anywhere', 'überall', 'all', 'alles']);
const MOST_TERMS = 20;

/** Splits at spaces outside of quotes. */
export function parseSearch(text: string): Term[] {
  const terms: Term[] = [];
  const pattern = /(-?)(?:(\p{L}+):)?(?:"([^"]*)"?|([^\s"]+))/gu;
  for (const m of text.normalize('NFC').matchAll(pattern)) {
    const [raw, minus, name, quoted, word] = m;
    if (terms.length === MOST_TERMS) break;
    const field = name ? FIELDS[name.toLowerCase()] : undefined;
    const value = (quoted ?? word ?? '').trim();
    if (name && !field) {
      // "http://…" and the like are words
      terms.push({ field: null, value: raw.replace(/^-/, '').replaceAll('"', ''), raw, not: !!minus });
      continue;
    }
    if (!value || (!name && word?.endsWith(':') && FIELDS[word.slice(0, -1).toLowerCase()])) continue;
    terms.push({ field: field ?? null, value, raw, not: !!minus });
  }
  return terms;
}

/** A date as people write it: 2026-11-22, 22.11.2026, 11/2026, 2026, or days back such as 7d. */
export function parseDate(text: string, now = new Date()): Date | null {
  let m = /^(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$/.exec(text);
  let y = 0, mo = 1, d = 1;
  if (m) {
    y = Number(m[1]);
    mo = Number(m[2] ?? 1);
    d = Number(m[3] ?? 1);
  } else if ((m = /^(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})?$/.exec(text))) {
    d = Number(m[1]);
    mo = Number(m[2]);
    y = m[3] ? Number(m[3]) + (m[3].length === 2 ? 2000 : 0) : now.getFullYear();
  } else if ((m = /^(\d{1,2})[./](\d{4})$/.exec(text))) {
    mo = Number(m[1]);
    y = Number(m[2]);
  } else if ((m = /^(\d{1,3})([dwmyt])$/i.exec(text))) {
    const back = new Date(now.getFullYear(), now.getMonth(), now.getDate());
    const n = Number(m[1]);
    const unit = m[2]!.toLowerCase();
    if (unit === 'd' || unit === 't') back.setDate(back.getDate() - n);
    else if (unit === 'w') back.setDate(back.getDate() - 7 * n);
    else if (unit === 'm') back.setMonth(back.getMonth() - n);
    else back.setFullYear(back.getFullYear() - n);
    return back;
  } else return null;
  const date = new Date(y, mo - 1, d);
  return date.getFullYear() === y && date.getMonth() === mo - 1 && date.getDate() === d ? date : null;
}

function parseSize(text: string): number | null {
  const m = /^(\d{1,9})(k|m|g)?b?$/i.exec(text);
  if (!m) return null;
  return Number(m[1]) * { '': 1, k: 1e3, m: 1e6, g: 1e9 }[(m[2] ?? '').toLowerCase() as '' | 'k' | 'm' | 'g'];
}

/** Is the value of this part one that can be searched for? */
export function isGood(term: Term, find: (name: string) => Id | null = () => 'x'): boolean {
  return condition(term, find) !== null;
}

function condition(term: Term, find: (name: string) => Id | null): EmailFilter | 'anywhere' | null {
  const { field, value } = term;
  const lower = value.toLowerCase();
  switch (field) {
    case null:
      return { text: value };
    case 'from':
    case 'to':
    case 'cc':
    case 'subject':
    case 'body':
      return { [field]: value };
    case 'before':
    case 'after': {
      const date = parseDate(value);
      return date && { [field]: date.toISOString().replace(/\.\d+Z$/, 'Z') };
    }
    case 'larger':
    case 'smaller': {
      const size = parseSize(value);
      return size === null ? null : field === 'larger' ? { minSize: size } : { maxSize: size };
    }
    case 'has':
      return ATTACHMENT.has(lower) ? { hasAttachment: true } : null;
    case 'is':
      switch (STATES[lower]) {
        case 'unread':
          return { notKeyword: '$seen' };
        case 'read':
          return { hasKeyword: '$seen' };
        case 'flagged':
          return { hasKeyword: '$flagged' };
        case 'answered':
          return { hasKeyword: '$answered' };
        default:
          return null;
      }
    case 'in': {
      if (ANYWHERE.has(lower)) return 'anywhere';
      const id = find(value);
      return id === null ? null : { inMailbox: id };
    }
  }
}

/** The filter for JMAP. Trash and junk (`aside`) are left out unless a folder is named. */
export function searchFilter(
  terms: readonly Term[],
  find: (name: string) => Id | null,
  aside: readonly Id[] = [],
): EmailFilter | null {
  const conditions: EmailFilter[] = [];
  let everywhere = false;
  for (const term of terms) {
    const c = condition(term, find) ?? { text: term.value };
    if (term.field === 'in' && condition(term, find) !== null) everywhere = true;
    if (c === 'anywhere') continue;
    conditions.push(term.not ? { operator: 'NOT', conditions: [c] } : c);
  }
  if (!everywhere && aside.length) conditions.push({ inMailboxOtherThan: [...aside] });
  if (conditions.length === 0) return null;
  return conditions.length === 1 ? conditions[0]! : { operator: 'AND', conditions };
}

/** Writes a value so that it is read as one. */
export function quoteValue(value: string): string {
  return /\s/.test(value) ? `"${value.replaceAll('"', '')}"` : value;
}

/** The text without this part. */
export function withoutTerm(text: string, raw: string): string {
  const at = text.indexOf(raw);
  return at < 0 ? text : (text.slice(0, at) + text.slice(at + raw.length)).replace(/\s+/g, ' ').trim();
}

/** `<mark>`ed snippets (RFC 8621 5.1) as pieces; entities are the server's, nothing else is markup. */
export function snippetPieces(snippet: string): { text: string; hit: boolean }[] {
  const decode = (s: string) =>
    s.replace(/<[^>]*>/g, '').replace(/&(lt|gt|quot|#39|apos|amp);/g, (_, e: string) => ENTITIES[e] ?? '');
  return snippet
    .split(/<mark>(.*?)<\/mark>/s)
    .map((part, i) => ({ text: decode(part), hit: i % 2 === 1 }))
    .filter((p) => p.text !== '');
}
const ENTITIES: Record<string, string> = { lt: '<', gt: '>', quot: '"', '#39': "'", apos: "'", amp: '&' };
