// What an answer or a forward starts with: to whom, its subject, its threading headers, and what is
// written above the quoted text. Pure, so that it is tested without a browser.

import type { Email, EmailAddress, Identity } from '../jmap/types.ts';

const PREFIX = /^\s*(?:re|aw|antw|sv|fw|fwd|wg)\s*(?:\[\d{1,4}\])?\s*:\s*/i;
const MOST_REFERENCES = 50;

/** The subject without any "Re:", "AW:", "Fwd:", ... in front, with one of ours. */
export function replySubject(subject: string | null, prefix: 'Re' | 'Fwd'): string {
  let bare = (subject ?? '').trim();
  while (PREFIX.test(bare)) bare = bare.replace(PREFIX, '');
  return `${prefix}: ${bare}`.trim();
}

/** Each address once, in the order of their first mention. */
export function unique(lists: EmailAddress[][]): EmailAddress[][] {
  const seen = new Set<string>();
  return lists.map((list) =>
    list.filter((a) => {
      const key = a.email.toLowerCase();
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    }),
  );
}

export function replyRecipients(
  email: Pick<Email, 'from' | 'replyTo' | 'to' | 'cc'>,
  all: boolean,
  isMe: (email: string) => boolean,
): { to: EmailAddress[]; cc: EmailAddress[] } {
  const others = (list: EmailAddress[] | null) => (list ?? []).filter((a) => !isMe(a.email));
  const from = email.from ?? [];
  // An answer to one's own message goes on to those it went to.
  if (from[0] && isMe(from[0].email) && others(email.to).length) {
    const [to, cc] = unique([others(email.to), all ? others(email.cc) : []]);
    return { to: to!, cc: cc! };
  }
  const target = email.replyTo?.length ? email.replyTo : from;
  if (!all) return { to: unique([target])[0]!, cc: [] };
  const direct = others(target).length ? others(target) : target;
  const [to, cc] = unique([[...direct, ...others(email.to)], others(email.cc)]);
  return { to: to!, cc: cc! };
}

/** In-Reply-To and References (RFC 5322 3.6.4). */
export function threading(email: Pick<Email, 'messageId' | 'inReplyTo' | 'references'>): {
  inReplyTo: string[] | null;
  references: string[] | null;
} {
  if (!email.messageId?.length) return { inReplyTo: null, references: null };
  const before = email.references?.length ? email.references : email.inReplyTo?.length === 1 ? email.inReplyTo : [];
  const all = [...new Set([...before, ...email.messageId])];
  const references = all.length > MOST_REFERENCES ? [all[0]!, ...all.slice(1 - MOST_REFERENCES)] : all;
  return { inReplyTo: email.messageId, references };
}

/** The identity to which a message came, else the first one. */
export function identityFor(
  email: Pick<Email, 'from' | 'to' | 'cc' | 'bcc'> | undefined,
  identities: readonly Identity[],
): Identity | undefined {
  const addresses = [...(email?.to ?? []), ...(email?.cc ?? []), ...(email?.bcc ?? []), ...(email?.from ?? [])];
  for (const a of addresses) {
    const found = identities.find((i) => i.email.toLowerCase() === a.email.toLowerCase());
    if (found) return found;
  }
  return identities[0];
}

/** The text without the sender's signature, each line behind "> ". */
export function quoteText(text: string): string {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const end = lines.lastIndexOf('-- ');
  const body = end >= 0 ? lines.slice(0, end) : lines;
  while (body.length && body.at(-1)!.trim() === '') body.pop();
  return body.map((l) => (l.startsWith('>') ? `>${l}` : l === '' ? '>' : `> ${l}`)).join('\n');
}

export function addressText(a: EmailAddress): string {
  if (!a.name) return a.email;
  const name = /^[\p{L}\p{N} '._-]+$/u.test(a.name) ? a.name : `"${a.name.replace(/[\\"]/g, '\\$&')}"`;
  return `${name} <${a.email}>`;
}

const GOOD = /^[^\s@<>()[\],;:"\\]{1,64}@[\p{L}\p{N}](?:[\p{L}\p{N}.-]{0,253}[\p{L}\p{N}])?$/u;

export function isAddress(email: string): boolean {
  const domain = email.slice(email.lastIndexOf('@') + 1);
  return GOOD.test(email) && domain.includes('.') && !domain.includes('..') && !email.includes('..') && !email.startsWith('.');
}

/** Addresses as people type or paste them: separated by commas, semicolons or lines, with or without
 * names. What is no address stays as it is, to be corrected. */
export function parseRecipients(text: string): EmailAddress[] {
  const parts: string[] = [];
  let part = '';
  let quoted = false;
  let angle = false;
  for (const c of text) {
    if (c === '"') quoted = !quoted;
    else if (!quoted && c === '<') angle = true;
    else if (!quoted && c === '>') angle = false;
    if (!quoted && !angle && /[,;\n\r\t]/.test(c)) {
      parts.push(part);
      part = '';
    } else part += c;
  }
  parts.push(part);
  return parts.flatMap((p) => {
    const s = p.trim();
    if (!s) return [];
    const m = /^(.*?)\s*<\s*([^<>]*?)\s*>$/s.exec(s);
    if (m) {
      const name = m[1]!.trim().replace(/^"(.*)"$/s, '$1').replace(/\\(.)/g, '$1').trim();
      return [{ name: name || null, email: m[2]!.replace(/^mailto:/i, '') }];
    }
    // Several addresses with nothing but spaces between them.
    const words = s.split(/\s+/);
    if (words.length > 1 && words.every(isAddress)) return words.map((email) => ({ name: null, email }));
    return [{ name: null, email: s.replace(/^mailto:/i, '') }];
  });
}

export interface Mailto {
  to: EmailAddress[];
  cc: EmailAddress[];
  bcc: EmailAddress[];
  subject: string;
  body: string;
  inReplyTo: string[] | null;
}

/** A mailto: link (RFC 6068); header fields that could do harm are not taken. */
export function parseMailto(link: string): Mailto {
  const decode = (s: string) => {
    try {
      return decodeURIComponent(s);
    } catch {
      return s;
    }
  };
  const rest = link.replace(/^mailto:/i, '').replace(/#.*$/, '');
  const at = rest.indexOf('?');
  const list = (s: string) => s.split(',').flatMap((x) => parseRecipients(decode(x)));
  const out: Mailto = {
    to: list(at < 0 ? rest : rest.slice(0, at)),
    cc: [],
    bcc: [],
    subject: '',
    body: '',
    inReplyTo: null,
  };
  if (at < 0) return out;
  for (const field of rest.slice(at + 1).split(/&(?:amp;)?/)) {
    const eq = field.indexOf('=');
    if (eq < 0) continue;
    const value = field.slice(eq + 1);
    switch (field.slice(0, eq).toLowerCase()) {
      case 'to':
        out.to.push(...list(value));
        break;
      case 'cc':
        out.cc.push(...list(value));
        break;
      case 'bcc':
        out.bcc.push(...list(value));
        break;
      case 'subject':
        out.subject = decode(value).replace(/[\r\n]+/g, ' ');
        break;
      case 'body':
        out.body = decode(value).replace(/\r\n?/g, '\n');
        break;
      case 'in-reply-to':
        out.inReplyTo = [decode(value).replace(/[<>\s]/g, '')];
        break;
    }
  }
  return out;
}

/** Does the text speak of an attachment? What is quoted or a signature does not count. */
export function mentionsAttachment(text: string): boolean {
  const own = text
    .split('\n')
    .filter((l) => !l.startsWith('>'))
    .join('\n')
    .split('\n-- \n')[0]!;
  return /\b(?:attach(?:ed|ing|ments?)?|enclosed|enclosure)\b|(?:^|[^\p{L}])(?:im anhang|anhang|anbei|angehängte?[nrs]?|angehaengt|angefügte?[nrs]?|beigefügte?[nrs]?|beiliegende?[nrs]?|in der anlage)(?![\p{L}])/iu.test(own);
}
