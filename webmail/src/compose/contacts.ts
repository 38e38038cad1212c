// Whom the user wrote to, and who wrote: for completing addresses. Built when the first composer opens,
// from the last messages; kept in memory only.

import type { EmailAddress } from '../jmap/types.ts';
import { client, isMe } from '../state/app.ts';
import { byRole } from '../state/mailboxes.ts';

interface Contact {
  name: string;
  email: string;
  score: number;
}

const SENT = 1000;
const RECEIVED = 300;
const HALF_LIFE = 60 * 86_400_000;

const contacts = new Map<string, Contact>();
let loading: Promise<void> | null = null;

export function addContact(a: EmailAddress, weight: number): void {
  const key = a.email.toLowerCase();
  if (!key.includes('@') || isMe(key)) return;
  const known = contacts.get(key);
  if (known) {
    known.score += weight;
    known.name ||= a.name ?? '';
  } else contacts.set(key, { name: a.name ?? '', email: a.email, score: weight });
}

export function loadContacts(): Promise<void> {
  loading ??= load().catch(() => {
    loading = null; // the next composer asks again
  });
  return loading;
}

async function load(): Promise<void> {
  const sent = byRole.value.get('sent');
  const inbox = byRole.value.get('inbox');
  const sort = [{ property: 'receivedAt', isAscending: false }];
  const ask = (mailbox: string, limit: number, properties: ('to' | 'cc' | 'bcc' | 'from' | 'receivedAt')[]) => {
    const query = client.call('Email/query', { filter: { inMailbox: mailbox }, sort, limit });
    return client.call('Email/get', { '#ids': query.ref('/ids'), properties });
  };
  const out = sent && ask(sent.id, SENT, ['to', 'cc', 'bcc', 'receivedAt']);
  const came = inbox && ask(inbox.id, RECEIVED, ['from', 'receivedAt']);
  const now = Date.now();
  const fresh = (iso: string) => 0.5 ** (Math.max(0, now - Date.parse(iso)) / HALF_LIFE);
  for (const e of (await out)?.list ?? [])
    for (const a of [...(e.to ?? []), ...(e.cc ?? []), ...(e.bcc ?? [])]) addContact(a, 3 * fresh(e.receivedAt));
  for (const e of (await came)?.list ?? [])
    for (const a of e.from ?? [])
      addContact(a, /^(?:no-?reply|donotreply|mailer-daemon)/i.test(a.email) ? 0.01 : fresh(e.receivedAt));
}

/** Those whose name or address has a word that begins with what is typed, the likeliest first. */
export function completions(typed: string, without: ReadonlySet<string>, most = 6): EmailAddress[] {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return [];
  const found: { c: Contact; rank: number }[] = [];
  for (const [key, c] of contacts) {
    if (without.has(key)) continue;
    const name = c.name.toLowerCase();
    const words = `${name} ${key.replace(/[@._-]/g, ' ')}`.split(/\s+/);
    if (key.startsWith(wanted) || name.startsWith(wanted)) found.push({ c, rank: c.score + 1 });
    else if (words.some((w) => w.startsWith(wanted)) || key.includes(wanted)) found.push({ c, rank: c.score });
  }
  return found
    .sort((a, b) => b.rank - a.rank)
    .slice(0, most)
    .map(({ c }) => ({ name: c.name || null, email: c.email }));
}
