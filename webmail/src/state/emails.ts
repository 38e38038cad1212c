// What is known of emails and conversations. Each has a signal of its own, so that a changed flag
// draws one row again and no more.

import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { Email, EmailBrief, EmailRow, Id, Thread } from '../jmap/types.ts';

/** A row's properties, or only those of a message that is known from its conversation. */
export type KnownEmail = EmailBrief & Partial<EmailRow>;

const MOST = 20_000;

const emails = new Map<Id, Signal<KnownEmail>>();
const threads = new Map<Id, Signal<readonly Id[]>>();
const empty = signal<KnownEmail | undefined>(undefined);

export const emailState = signal('');

/** Emails with a change that the server has not confirmed: what it says of them meanwhile is older
 * than what is shown. Its answer is followed by another state, so nothing is missed. */
const changing = new Map<Id, number>();
export function beginChange(ids: Iterable<Id>): () => void {
  const all = [...ids];
  for (const id of all) changing.set(id, (changing.get(id) ?? 0) + 1);
  return () => {
    for (const id of all) {
      const n = (changing.get(id) ?? 1) - 1;
      if (n) changing.set(id, n);
      else changing.delete(id);
    }
  };
}
export function isChanging(id: Id): boolean {
  return changing.has(id);
}

export function emailOf(id: Id | undefined): KnownEmail | undefined {
  return ((id && emails.get(id)) || empty).value;
}

export function peekEmail(id: Id): KnownEmail | undefined {
  return emails.get(id)?.peek();
}

/** Takes what the server says of an email; what it does not mention stays. */
export function takeEmail(e: Partial<EmailRow> & { id: Id }): void {
  const known = emails.get(e.id);
  if (known) known.value = { ...known.peek(), ...e };
  else emails.set(e.id, signal(e as KnownEmail));
}

/** The ids of a conversation's messages, oldest first; undefined when it is not known. */
export function threadOf(id: Id | undefined): readonly Id[] | undefined {
  return id ? threads.get(id)?.value : undefined;
}

export function takeThread(t: Thread): void {
  const known = threads.get(t.id);
  if (!known) threads.set(t.id, signal(t.emailIds));
  else if (known.peek().join() !== t.emailIds.join()) known.value = t.emailIds;
}

/** Before another list is shown: forgets all when it has become too much. */
export function forgetSome(): void {
  if (emails.size < MOST) return;
  emails.clear();
  threads.clear();
  bodies.clear();
}

// --- Whole messages, with their texts: the last ones that were read ---

const MOST_BODIES = 40;
const bodies = new Map<Id, Email>();

export function bodyOf(id: Id): Email | undefined {
  return bodies.get(id);
}

export function takeBody(e: Email): void {
  bodies.delete(e.id);
  bodies.set(e.id, e);
  for (const old of bodies.keys()) {
    if (bodies.size <= MOST_BODIES) break;
    bodies.delete(old);
  }
  takeEmail({
    id: e.id,
    threadId: e.threadId,
    mailboxIds: e.mailboxIds,
    keywords: e.keywords,
    size: e.size,
    receivedAt: e.receivedAt,
    from: e.from,
    to: e.to,
    subject: e.subject,
    hasAttachment: e.hasAttachment,
    preview: e.preview,
  });
}

/** A draft's content changes under the same id only when it is another email; still, a destroyed one
 * is not shown again. */
export function dropEmail(id: Id): void {
  bodies.delete(id);
}

/** Addresses of the emails that are known, which start or contain what is typed: the most frequent
 * first. */
export function shownAddresses(typed: string, most: number): { name: string; email: string }[] {
  const wanted = typed.toLowerCase();
  const found = new Map<string, { name: string; email: string; n: number }>();
  for (const s of emails.values()) {
    const e = s.peek();
    for (const a of [...(e.from ?? []), ...(e.to ?? [])]) {
      const key = a.email.toLowerCase();
      const known = found.get(key);
      if (known) {
        known.n++;
        known.name ||= a.name ?? '';
      } else if (!wanted || key.includes(wanted) || a.name?.toLowerCase().includes(wanted))
        found.set(key, { name: a.name ?? '', email: a.email, n: 1 });
    }
  }
  return [...found.values()].sort((a, b) => b.n - a.n).slice(0, most);
}
