// Who really sent this, in terms that views can put into plain words: our own host's
// Authentication-Results (RFC 8601), and what in the header tries to look like somebody else.

import type { Email, EmailAddress } from '../jmap/types.ts';

export interface Verdict {
  /** unchecked: our host says nothing; local: a user of ours, who was logged in. */
  result: 'pass' | 'other' | 'fail' | 'none' | 'local' | 'unchecked';
  /** The domain that vouches, or does not. */
  domain: string;
}

interface Result {
  method: string;
  value: string;
  properties: Record<string, string>;
}

/** The results of one field, if our host wrote it. Comments are dropped. */
export function parseResults(field: string, host: string): Result[] | null {
  const plain = withoutComments(field);
  const parts = (plain.match(/(?:"[^"]*"|[^;"])+/g) ?? []).map((p) => p.trim());
  const id = (parts[0] ?? '').split(/\s+/)[0]?.replaceAll('"', '').toLowerCase();
  if (id !== host.toLowerCase()) return null;
  return parts.slice(1).flatMap((part) => {
    const words = part.match(/[\w./-]+\s*=\s*(?:"[^"]*"|[^\s"]+)/g) ?? [];
    const pairs = words.map((w) => {
      const at = w.indexOf('=');
      return [w.slice(0, at).trim().toLowerCase(), w.slice(at + 1).trim().replaceAll('"', '')] as const;
    });
    const [first, ...rest] = pairs;
    return first
      ? [{ method: first[0].split('/')[0]!, value: first[1].toLowerCase(), properties: Object.fromEntries(rest) }]
      : [];
  });
}

function withoutComments(text: string): string {
  let depth = 0;
  let quoted = false;
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\\' && (quoted || depth)) {
      i++;
      continue;
    }
    if (c === '"' && !depth) quoted = !quoted;
    if (c === '(' && !quoted) depth++;
    else if (c === ')' && !quoted && depth) depth--;
    else if (!depth) out += c;
  }
  return out;
}

export function domainOf(email: string | undefined | null): string {
  return (email ?? '').slice((email ?? '').lastIndexOf('@') + 1).toLowerCase();
}

/** Does one domain lie in the other, or are they the same? */
function aligned(a: string, b: string): boolean {
  return a === b || a.endsWith('.' + b) || b.endsWith('.' + a);
}

/** Only the topmost field counts: those below it may have come with the message. */
export function verdict(fields: readonly string[] | undefined, host: string, from: EmailAddress | undefined): Verdict {
  const domain = domainOf(from?.email);
  const results = fields?.length ? parseResults(fields[0]!, host) : null;
  if (!results || results.length === 0) return { result: 'unchecked', domain };
  if (results.some((r) => r.method === 'auth' && r.value === 'pass')) return { result: 'local', domain };
  const dmarc = results.find((r) => r.method === 'dmarc');
  if (dmarc?.value === 'pass') return { result: 'pass', domain };
  if (dmarc?.value === 'fail') return { result: 'fail', domain };
  const signers = results
    .filter((r) => r.method === 'dkim' && r.value === 'pass')
    .map((r) => (r.properties['header.d'] ?? domainOf(r.properties['header.i'])).toLowerCase());
  const envelope = results
    .filter((r) => r.method === 'spf' && r.value === 'pass')
    .map((r) => domainOf(r.properties['smtp.mailfrom'] ?? r.properties['smtp.helo']));
  if ([...signers, ...envelope].some((d) => d && aligned(d, domain))) return { result: 'pass', domain };
  if (signers[0]) return { result: 'other', domain: signers[0] };
  if (results.some((r) => r.method === 'spf' && r.value === 'fail')) return { result: 'fail', domain };
  return { result: 'none', domain };
}

export type Hint =
  | { kind: 'name'; shown: string; real: string }
  | { kind: 'replyTo'; reply: string }
  | { kind: 'lookalike'; domain: string; like: string }
  | { kind: 'mixed'; domain: string }
  | { kind: 'me' };

const ADDRESS = /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/u;

/** What in the header should make one wary. */
export function phishingHints(
  e: Pick<Email, 'from' | 'replyTo'>,
  own: { domain: string; isMe: (email: string) => boolean; isList?: boolean },
  v: Verdict,
): Hint[] {
  const hints: Hint[] = [];
  const from = e.from?.[0];
  if (!from) return hints;
  const domain = domainOf(from.email);
  const shown = ADDRESS.exec((from.name ?? '').normalize('NFKC'))?.[0];
  if (shown && shown.toLowerCase() !== from.email.toLowerCase()) hints.push({ kind: 'name', shown, real: from.email });
  const unicode = unicodeDomain(domain);
  if (own.domain && looksLike(unicode, own.domain)) hints.push({ kind: 'lookalike', domain: unicode, like: own.domain });
  else if (isMixed(unicode)) hints.push({ kind: 'mixed', domain: unicode });
  const reply = e.replyTo?.[0]?.email;
  if (reply && !own.isList && !aligned(domainOf(reply), domain)) hints.push({ kind: 'replyTo', reply });
  if (own.isMe(from.email) && (v.result === 'fail' || v.result === 'none' || v.result === 'other')) hints.push({ kind: 'me' });
  return hints;
}

// --- Look-alikes ---

const ALIKE: Record<string, string> = {
  '0': 'o', '1': 'l', '3': 'e', '5': 's', 'ı': 'i', 'í': 'i', 'ì': 'i', 'а': 'a', 'е': 'e', 'о': 'o', 'р': 'p',
  'с': 'c', 'у': 'y', 'х': 'x', 'ѕ': 's', 'і': 'i', 'ј': 'j', 'һ': 'h', 'ԁ': 'd', 'ɡ': 'g', 'ո': 'n', 'ν': 'v',
  'ο': 'o', 'α': 'a', 'ρ': 'p', 'τ': 't', 'κ': 'k', 'м': 'm', 'т': 't', 'к': 'k', 'в': 'b', 'н': 'h', 'ӏ': 'l', 'l': 'l', 'i': 'l',
};

/** Letters that look alike become the same. */
export function skeleton(domain: string): string {
  const plain = domain.normalize('NFD').replace(/\p{M}/gu, '');
  return [...plain].map((c) => ALIKE[c] ?? c).join('').replaceAll('rn', 'm').replaceAll('vv', 'w').replaceAll('cl', 'd');
}

export function looksLike(domain: string, own: string): boolean {
  if (!domain || domain === own || domain.endsWith('.' + own) || own.endsWith('.' + domain)) return false;
  if (domain.startsWith(own + '.') || domain.includes('.' + own + '.')) return true;
  const a = skeleton(domain);
  const b = skeleton(own);
  if (a === b) return true;
  if (domain.startsWith(own.replaceAll('.', '-') + '.')) return true;
  return own.length >= 7 && distanceIsOne(a, b);
}

/** One letter more, less, other, or two swapped. */
function distanceIsOne(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  const rest = (s: string, k: number) => s.slice(i + k);
  if (a.length === b.length)
    return rest(a, 1) === rest(b, 1) || (a[i] === b[i + 1] && a[i + 1] === b[i] && rest(a, 2) === rest(b, 2));
  return a.length > b.length ? rest(a, 1) === rest(b, 0) : rest(a, 0) === rest(b, 1);
}

/** Latin with Cyrillic or Greek in one label. */
export function isMixed(domain: string): boolean {
  return domain.split('.').some(
    (label) => /\p{Script=Latin}/u.test(label) && /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}]/u.test(label),
  );
}

/** xn-- labels as letters (RFC 3492); broken ones stay as they are. */
export function unicodeDomain(domain: string): string {
  return domain
    .split('.')
    .map((l) => (l.toLowerCase().startsWith('xn--') ? (punycode(l.slice(4)) ?? l) : l))
    .join('.');
}

function punycode(input: string): string | null {
  const out: number[] = [];
  const dash = input.lastIndexOf('-');
  for (const c of dash > 0 ? input.slice(0, dash) : '') out.push(c.codePointAt(0)!);
  let n = 128, i = 0, bias = 72;
  for (let at = dash > 0 ? dash + 1 : 0; at < input.length; ) {
    const before = i;
    for (let w = 1, k = 36; ; k += 36) {
      const c = input.charCodeAt(at++);
      const digit = c >= 48 && c < 58 ? c - 22 : c >= 97 && c < 123 ? c - 97 : c >= 65 && c < 91 ? c - 65 : 99;
      if (digit > 35) return null;
      i += digit * w;
      const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
      if (digit < t) break;
      w *= 36 - t;
      if (w > 2 ** 31) return null;
    }
    let delta = before === 0 ? Math.floor((i - before) / 700) : (i - before) >> 1;
    const length = out.length + 1;
    delta += Math.floor(delta / length);
    let k = 0;
    for (; delta > 455; k += 36) delta = Math.floor(delta / 35);
    bias = k + Math.floor((36 * delta) / (delta + 38));
    n += Math.floor(i / length);
    if (n > 0x10ffff || (n >= 0xd800 && n < 0xe000)) return null;
    i %= length;
    out.splice(i++, 0, n);
  }
  return String.fromCodePoint(...out);
}

// --- Links ---

export interface LinkCheck {
  url: string;
  host: string;
  /** The text shows another site than the link leads to. */
  differs: string | null;
  /** The host in letters, when it has others than a to z. */
  idn: string | null;
}

export function checkLink(url: string, text: string): LinkCheck {
  let host = '';
  try {
    host = new URL(url).hostname.replace(/^www\./, '');
  } catch {
    // shown as it is
  }
  const shown = /(?:https?:\/\/|www\.)?((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})(?![\p{L}\p{N}@])/iu.exec(text.trim().replace(/\s+/g, ' '));
  let differs: string | null = null;
  if (shown && !text.includes('@')) {
    let named = shown[1]!.toLowerCase().replace(/^www\./, '');
    try {
      named = new URL(`http://${named}`).hostname;
    } catch {
      // no host: compared as it stands
    }
    const site = /^https?:|^www\./i.test(text.trim()) || named === text.trim().toLowerCase().replace(/^www\./, '').split('/')[0];
    if (site && host && !aligned(named, host)) differs = shown[1]!;
  }
  const unicode = unicodeDomain(host);
  return { url, host, differs, idn: unicode !== host ? unicode : null };
}

/** Files that run when they are opened. */
export function isDangerous(name: string): boolean {
  return /\.(?:exe|com|scr|bat|cmd|ps1|vbs?|vbe|js|jse|wsf|wsh|hta|msi|msp|lnk|jar|reg|cpl|pif|iso|img|dll|app|dmg|pkg|deb|rpm|sh|docm|xlsm|pptm|html?|svg|url|desktop)$/i.test(name.trim());
}
