// The conversation that is open: its messages, which of them are unfolded, and their texts.

import { signal } from '@preact/signals';
import { JmapError } from '../jmap/client.ts';
import { BODY_PROPERTIES, FULL_PROPERTIES, ROW_PROPERTIES } from '../jmap/types.ts';
import type { Email, Id } from '../jmap/types.ts';
import { markSeen } from './actions.ts';
import { client } from './app.ts';
import { bodyOf, emailOf, peekEmail, takeBody, takeEmail, takeThread, threadOf } from './emails.ts';
import { errorText } from './errors.ts';
import { cursor, list } from './list.ts';
import { byRole } from './mailboxes.ts';
import { route } from './route.ts';

export const BODY_BYTES = 512 * 1024;

export interface Open {
  /** As in the route: a thread's id, or an email's without conversations. */
  id: Id;
  emails: readonly Id[];
  unfolded: ReadonlySet<Id>;
  error: string | null;
}

export const opened = signal<Open | null>(null);
/** Bumped when texts have come. */
export const bodiesVersion = signal(0);

/** Opens what the route says. */
export async function openFromRoute(): Promise<void> {
  const id = route.value.open;
  if (!id) {
    opened.value = null;
    return;
  }
  if (opened.value?.id === id && !opened.value.error) return;
  const isThread = id.startsWith('T');
  const known = isThread ? threadOf(id) : [id];
  opened.value = { id, emails: [], unfolded: new Set(), error: null };
  try {
    let ids = known;
    if (!ids || ids.some((e) => !peekEmail(e))) {
      if (isThread) {
        const thread = client.call('Thread/get', { ids: [id] });
        const rows = client.call('Email/get', { '#ids': thread.ref('/list/*/emailIds'), properties: ROW_PROPERTIES });
        const [th, r] = await Promise.all([thread, rows]);
        for (const e of r.list) takeEmail(e);
        th.list.forEach(takeThread);
        ids = th.list[0]?.emailIds ?? [];
      } else {
        const r = await client.call('Email/get', { ids: [id], properties: ROW_PROPERTIES });
        for (const e of r.list) takeEmail(e);
        ids = r.list.map((e) => e.id);
      }
    }
    const shown = shownOf(ids);
    if (shown.length === 0) throw new JmapError('notFound');
    const unfolded = new Set(shown.filter((e) => !peekEmail(e)?.keywords.$seen));
    const row = cursor.value && shown.includes(cursor.value) && !list.value.collapse ? cursor.value : shown.at(-1)!;
    unfolded.add(row);
    if (opened.value?.id !== id) return;
    opened.value = { id, emails: shown, unfolded, error: null };
    const folded = shown.filter((e) => !unfolded.has(e) && peekEmail(e)?.preview === undefined);
    if (folded.length)
      void client.call('Email/get', { ids: folded, properties: ROW_PROPERTIES }).then(
        (r) => r.list.forEach(takeEmail),
        () => undefined,
      );
    const texts = loadBodies([...unfolded]);
    client.flush(); // on their way while the rest is drawn
    await texts;
    if (opened.value?.id !== id) return;
    await markSeen([...unfolded].filter((e) => !peekEmail(e)?.keywords.$seen));
  } catch (e) {
    if (opened.value?.id === id) opened.value = { ...opened.value, error: errorText(e) };
  }
}

// Trash and junk are shown only where the user is in them; the messages lie in order of their dates.
function shownOf(ids: readonly Id[]): Id[] {
  const aside = [byRole.value.get('trash')?.id, byRole.value.get('junk')?.id];
  const at = list.value.mailbox;
  const isAside = (id: Id) => {
    const boxes = Object.keys(peekEmail(id)?.mailboxIds ?? {});
    return boxes.length > 0 && boxes.every((b) => b !== at && aside.includes(b));
  };
  const visible = ids.filter((id) => {
    const e = peekEmail(id);
    return e && Object.keys(e.mailboxIds).length > 0;
  });
  const main = visible.filter((id) => !isAside(id) || id === cursor.value);
  return main.length ? main : visible;
}

export async function loadBodies(ids: readonly Id[]): Promise<void> {
  const missing = ids.filter((id) => !bodyOf(id));
  if (missing.length) {
    const got = await client.call('Email/get', {
      ids: missing,
      properties: FULL_PROPERTIES,
      bodyProperties: BODY_PROPERTIES,
      fetchTextBodyValues: true,
      fetchHTMLBodyValues: true,
      maxBodyValueBytes: BODY_BYTES,
    });
    for (const e of got.list) takeBody(e);
    if (got.list.length === 0) throw new JmapError('notFound');
  }
  bodiesVersion.value++;
}

/** The whole message; asked for when it is not here yet. */
export async function wholeEmail(id: Id): Promise<Email> {
  await loadBodies([id]);
  const e = bodyOf(id);
  if (!e) throw new JmapError('notFound');
  return e;
}

export async function unfold(id: Id, on: boolean): Promise<void> {
  const o = opened.value;
  if (!o) return;
  const unfolded = new Set(o.unfolded);
  if (on) unfolded.add(id);
  else unfolded.delete(id);
  opened.value = { ...o, unfolded };
  if (!on) return;
  try {
    await loadBodies([id]);
    await markSeen([id]);
  } catch (e) {
    if (opened.value?.id === o.id) opened.value = { ...opened.value, error: errorText(e) };
  }
}

/** After a sync: new messages of the open conversation are shown, those that went are not. */
export function refreshOpen(changed: ReadonlySet<Id> | null): void {
  const o = opened.value;
  if (!o || o.error || o.emails.length === 0) return;
  const ids = o.id.startsWith('T') ? threadOf(o.id) : o.emails;
  if (!ids || (changed && !ids.some((id) => changed.has(id)) && !o.emails.some((id) => changed.has(id)))) return;
  const emails = shownOf(ids).filter((id) => peekEmail(id));
  if (emails.length === 0 || emails.join() === o.emails.join()) return;
  const fresh = emails.filter((id) => !o.emails.includes(id));
  opened.value = { ...o, emails, unfolded: new Set([...o.unfolded, ...fresh]) };
  if (fresh.length) void loadBodies(fresh).catch(() => undefined);
}

/** Is the row the one that is open? */
export function isOpen(row: Id): boolean {
  const open = route.value.open;
  return open !== null && (open === row || open === emailOf(row)?.threadId);
}
