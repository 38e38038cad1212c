// Live changes: the server says that something moved, one request brings what.

import { JmapError } from '../jmap/client.ts';
import { BRIEF_PROPERTIES } from '../jmap/types.ts';
import type { EmailBrief, Id, Mailbox } from '../jmap/types.ts';
import { auth, client, loadIdentities } from './app.ts';
import { dropEmail, emailState, isChanging, peekEmail, takeEmail, takeThread } from './emails.ts';
import { changesArgs, cursor, fetchRows, list, reloadList, selected, spliceIds, taken, touchList } from './list.ts';
import { mailboxes, mailboxState } from './mailboxes.ts';
import { takeSettings } from './settings.ts';
import { refreshOpen } from './thread.ts';

const SETTLE_MS = 40;
const MOST_CHANGES = 500;

let stop: (() => void) | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let running = false;
let again = false;

export function listenLive(): void {
  stop?.();
  stop = client.listen((types) => {
    if (types !== 'all' && types.has('Settings'))
      void client.call('Settings/get', {}).then((a) => takeSettings(a.settings), () => undefined);
    if (types !== 'all' && types.has('Identity')) void loadIdentities().catch(() => undefined);
    const mail = types === 'all' || ['Email', 'Mailbox', 'Thread', 'EmailDelivery'].some((x) => types.has(x));
    if (mail) syncSoon();
  });
}

export function stopLive(): void {
  stop?.();
  stop = null;
}

export function syncSoon(): void {
  clearTimeout(timer);
  timer = setTimeout(() => void sync(), SETTLE_MS);
}

/** Brings folders, list and the open conversation up to date. One at a time. */
export async function sync(): Promise<void> {
  if (running) {
    again = true;
    return;
  }
  if (auth.value !== 'in' || !mailboxState.value) return;
  running = true;
  try {
    await syncOnce();
  } catch (e) {
    // Offline or busy: the next event, or the connection's return, asks again.
    if (!(e instanceof JmapError)) throw e;
  } finally {
    running = false;
    if (again) {
      again = false;
      syncSoon();
    }
  }
}

async function syncOnce(): Promise<void> {
  const key = list.value.key;
  const boxes = syncMailboxes();
  const emails = syncEmails();
  const args = changesArgs();
  const query = args ? client.call('Email/queryChanges', args) : null;
  await boxes;
  const changed = await emails;
  if (list.value.key === key && list.value.loaded) {
    const fresh = await (query ?? Promise.reject(new JmapError('cannotCalculateChanges'))).then(
      async (q) => {
        if (list.value.key !== key) return true;
        const ids = spliceIds(list.value.ids, q.removed, q.added, q.total, taken);
        const unknown = q.added.map((a) => a.id).filter((id) => peekEmail(id)?.preview === undefined);
        if (unknown.length) await fetchRows({ ids: unknown });
        if (list.value.key !== key) return true;
        touchList({ ids, queryState: q.newQueryState });
        return true;
      },
      (e) => {
        if (e instanceof JmapError && !['offline', 'session', 'busy'].includes(e.type)) return false;
        throw e;
      },
    );
    if (!fresh) await reloadList();
    tidySelection();
  }
  refreshOpen(changed);
}

async function syncMailboxes(): Promise<void> {
  const changes = client.call('Mailbox/changes', { sinceState: mailboxState.value });
  const updated = client.call('Mailbox/get', {
    '#ids': changes.ref('/updated'),
    '#properties': changes.ref('/updatedProperties'),
  });
  const created = client.call('Mailbox/get', { '#ids': changes.ref('/created') });
  try {
    const [c, u, n] = await Promise.all([changes, updated, created]);
    const next = new Map(mailboxes.value);
    for (const m of n.list) next.set(m.id, m);
    for (const m of u.list as (Partial<Mailbox> & { id: Id })[]) {
      const known = next.get(m.id);
      next.set(m.id, { ...known, ...m } as Mailbox);
    }
    for (const id of c.destroyed) next.delete(id);
    mailboxes.value = next;
    mailboxState.value = c.newState;
    if (c.hasMoreChanges) again = true;
  } catch (e) {
    if (!(e instanceof JmapError) || e.type !== 'cannotCalculateChanges') throw e;
    const all = await client.call('Mailbox/get', { ids: null });
    mailboxes.value = new Map(all.list.map((m) => [m.id, m]));
    mailboxState.value = all.state;
  }
}

/** The emails that were changed, or came; null when nobody can say. */
async function syncEmails(): Promise<ReadonlySet<Id> | null> {
  if (!emailState.value) return new Set();
  const changes = client.call('Email/changes', { sinceState: emailState.value, maxChanges: MOST_CHANGES });
  const updated = client.call('Email/get', { '#ids': changes.ref('/updated'), properties: BRIEF_PROPERTIES });
  const created = fetchRows({ '#ids': changes.ref('/created') });
  try {
    const [c, u] = await Promise.all([changes, updated, created]);
    for (const e of u.list as EmailBrief[]) if (peekEmail(e.id) && !isChanging(e.id)) takeEmail(e);
    for (const id of c.destroyed) {
      const e = peekEmail(id);
      dropEmail(id);
      if (e) takeEmail({ id, mailboxIds: {} });
    }
    const threads = new Set(
      [...u.list, ...c.destroyed.map(peekEmail)].flatMap((e) => (e?.threadId ? [e.threadId] : [])),
    );
    if (c.destroyed.length && threads.size) {
      const got = await client.call('Thread/get', { ids: [...threads].slice(0, MOST_CHANGES) });
      for (const x of got.list) takeThread(x);
    }
    emailState.value = c.newState;
    if (c.hasMoreChanges) again = true;
    return new Set([...c.created, ...c.updated, ...c.destroyed]);
  } catch (e) {
    if (!(e instanceof JmapError) || e.type === 'offline' || e.type === 'session' || e.type === 'busy') throw e;
    const now = await client.call('Email/get', { ids: [] });
    emailState.value = now.state;
    return null;
  }
}

/** What has left the list is no longer ticked. */
function tidySelection(): void {
  const ids = new Set(list.value.ids);
  const next = [...selected.value].filter((id) => ids.has(id));
  if (next.length !== selected.value.size) selected.value = new Set(next);
  if (cursor.value && !ids.has(cursor.value)) cursor.value = null;
}
