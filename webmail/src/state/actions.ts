// What a user does with messages: shown at once, then sent, taken back when the server refuses, and
// undone when the user asks for it.

import { JmapError, pointer } from '../jmap/client.ts';
import type { DeletedEmail, Id, Mailbox, Patch, Role } from '../jmap/types.ts';
import { t } from '../i18n/index.ts';
import type { Key } from '../i18n/index.ts';
import { toast } from '../ui/toast.tsx';
import { client, own } from './app.ts';
import { beginChange, emailOf, peekEmail, takeEmail } from './emails.ts';
import { reportError, throwSetErrors } from './errors.ts';
import { cursor, list, rowEmails, rowEmailsHere, selected, takeOut, taken } from './list.ts';
import { byRole, mailboxes, mailboxName, patchMailbox } from './mailboxes.ts';
import { go, route } from './route.ts';
import { ask } from '../ui/dialog.tsx';

interface Was {
  mailboxIds: Record<Id, boolean>;
  keywords: Record<string, boolean>;
}

/** The rows that an action is about: those that are ticked, else the open one, else the cursor's. */
export function actionRows(): Id[] {
  if (selected.value.size) return [...selected.value];
  const open = route.value.open && openRow();
  if (open) return [open];
  return cursor.value ? [cursor.value] : [];
}

/** The row of the conversation that is open. */
export function openRow(): Id | null {
  const open = route.value.open;
  if (!open) return null;
  const l = list.value;
  if (cursor.value && (cursor.value === open || emailOf(cursor.value)?.threadId === open)) return cursor.value;
  return l.ids.find((id) => id !== undefined && (id === open || emailOf(id)?.threadId === open)) ?? null;
}

// --- Sending ---

// One change after the other: two requests at once may be answered in any order, and the last
// thing a user did must be what stays.
let queue: Promise<unknown> = Promise.resolve();
function inTurn<T>(ids: Iterable<Id>, run: () => Promise<T>): Promise<T> {
  const end = beginChange(ids);
  const turn = queue.then(run).finally(end);
  queue = turn.catch(() => undefined);
  return turn;
}

function setEmails(update: Record<Id, Patch>): Promise<void> {
  return inTurn(Object.keys(update), () => sendUpdate(update));
}

async function sendUpdate(update: Record<Id, Patch>): Promise<void> {
  const most = client.limits?.maxObjectsInSet ?? 500;
  const entries = Object.entries(update);
  for (let i = 0; i < entries.length; i += most) {
    const answer = await client.call('Email/set', { update: Object.fromEntries(entries.slice(i, i + most)) });
    // What was destroyed meanwhile from elsewhere is no failure of this action.
    const failed = Object.entries(answer.notUpdated ?? {}).filter(([, e]) => e.type !== 'notFound');
    throwSetErrors(Object.fromEntries(failed));
  }
}

// --- Showing at once ---

function remember(ids: readonly Id[]): Map<Id, Was> {
  const was = new Map<Id, Was>();
  for (const id of ids) {
    const e = peekEmail(id);
    if (e) was.set(id, { mailboxIds: e.mailboxIds, keywords: e.keywords });
  }
  return was;
}

/** Changes an email here, and the figures of the folders it is in, was in, or comes into. */
function show(id: Id, next: Partial<Was>): void {
  const e = peekEmail(id);
  if (!e) return;
  const before = { boxes: e.mailboxIds, unread: !e.keywords.$seen };
  const after = {
    boxes: next.mailboxIds ?? e.mailboxIds,
    unread: !(next.keywords ?? e.keywords).$seen,
  };
  takeEmail({ id, ...next });
  for (const box of new Set([...Object.keys(before.boxes), ...Object.keys(after.boxes)])) {
    const was = before.boxes[box] ? 1 : 0;
    const is = after.boxes[box] ? 1 : 0;
    const unread = (after.unread ? is : 0) - (before.unread ? was : 0);
    if (was === is && unread === 0) continue;
    patchMailbox(box, (m) => ({
      totalEmails: Math.max(0, m.totalEmails + is - was),
      unreadEmails: Math.max(0, m.unreadEmails + unread),
      totalThreads: Math.max(0, m.totalThreads + is - was),
      unreadThreads: Math.max(0, m.unreadThreads + unread),
    }));
  }
}

function showAll(was: Map<Id, Was>): void {
  for (const [id, w] of was) show(id, w);
}

interface Action {
  /** The emails, and what becomes of each: null for no change. */
  emails: readonly Id[];
  next: (was: Was) => { show: Partial<Was>; patch: Patch } | null;
  /** Rows that leave the list. */
  leave?: readonly Id[];
  /** Without words there is no toast, and nothing to undo. */
  done?: string;
}

async function act(a: Action): Promise<void> {
  const was = remember(a.emails);
  const update: Record<Id, Patch> = {};
  for (const [id, w] of was) {
    const n = a.next(w);
    if (!n) {
      was.delete(id);
      continue;
    }
    update[id] = n.patch;
    show(id, n.show);
  }
  if (Object.keys(update).length === 0) return;
  const putBack = a.leave?.length ? leave(a.leave) : null;
  const revert = () => {
    showAll(was);
    putBack?.();
  };
  let confirmed: Promise<void> = Promise.resolve();
  const close = a.done
    ? toast(a.done, {
        action: {
          label: t('undo'),
          run: () => {
            revert();
            void confirmed
              .then(() => setEmails(undoPatches(was, update)))
              .then(
                () => toast(t('done.undone'), { seconds: 3 }),
                (e) => reportError(e),
              );
          },
        },
      })
    : null;
  confirmed = setEmails(update);
  try {
    await confirmed;
  } catch (e) {
    close?.();
    confirmed = Promise.resolve();
    revert();
    reportError(e, () => void act(a));
  } finally {
    setTimeout(() => a.leave?.forEach((id) => taken.delete(id)), 5000);
  }
}

/** The inverse of each patch: only what it changed, so that others' changes meanwhile stay. */
export function undoPatches(was: ReadonlyMap<Id, Was>, update: Record<Id, Patch>): Record<Id, Patch> {
  const out: Record<Id, Patch> = {};
  for (const [id, patch] of Object.entries(update)) {
    const w = was.get(id);
    if (!w) continue;
    const inverse: Patch = {};
    for (const path of Object.keys(patch)) {
      if (path === 'mailboxIds') inverse.mailboxIds = w.mailboxIds;
      else if (path === 'keywords') inverse.keywords = w.keywords;
      else {
        const [property, token] = path.split('/') as ['mailboxIds' | 'keywords', string];
        const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
        inverse[path] = w[property][name] ? true : null;
      }
    }
    out[id] = inverse;
  }
  return out;
}

/** Takes rows away; when the open conversation is among them, the next one is opened in its place. */
function leave(rows: readonly Id[]): () => void {
  const l = list.value;
  const gone = new Set(rows);
  const open = openRow();
  const at = open ? l.ids.indexOf(open) : cursor.value ? l.ids.indexOf(cursor.value) : -1;
  const back = takeOut(rows);
  const moved = (open && gone.has(open)) || (cursor.value && gone.has(cursor.value));
  if (moved) {
    const ids = list.value.ids;
    const next = at >= 0 ? (ids[Math.min(at, ids.length - 1)] ?? null) : null;
    cursor.value = next;
    if (open && gone.has(open)) {
      const wide = matchMedia('(min-width: 900px)').matches;
      const e = next && wide ? emailOf(next) : undefined;
      go({ open: e ? (l.collapse ? e.threadId : e.id) : null }, true);
    }
  }
  return back;
}

// --- The actions ---

export function moveRows(rows: readonly Id[], to: Mailbox, done?: string): Promise<void> {
  const from = list.value.mailbox;
  if (from === to.id || rows.length === 0) return Promise.resolve();
  const emails = rows.flatMap((id) => rowEmailsHere(id));
  return act({
    emails,
    next: (was) => {
      if (from && was.mailboxIds[from]) {
        const { [from]: _, ...rest } = was.mailboxIds;
        return {
          show: { mailboxIds: { ...rest, [to.id]: true } },
          patch: { [`mailboxIds/${pointer(from)}`]: null, [`mailboxIds/${pointer(to.id)}`]: true },
        };
      }
      if (was.mailboxIds[to.id] && Object.keys(was.mailboxIds).length === 1) return null;
      return { show: { mailboxIds: { [to.id]: true } }, patch: { mailboxIds: { [to.id]: true } } };
    },
    leave: from || to.role === 'trash' || to.role === 'junk' ? rows : [],
    done: done ?? t('done.move', { n: rows.length, name: mailboxName(to) }),
  });
}

const MOVED: Partial<Record<Role, Key>> = {
  archive: 'done.archive', junk: 'done.junk', trash: 'done.trash', inbox: 'done.notJunk',
};

function moveToRole(rows: readonly Id[], role: Role): Promise<void> {
  const to = byRole.value.get(role);
  if (!to) {
    toast(t('done.noFolder'), { kind: 'error' });
    return Promise.resolve();
  }
  return moveRows(rows, to, t(MOVED[role]!, { n: rows.length }));
}

export function archive(rows = actionRows()): Promise<void> {
  return moveToRole(rows, 'archive');
}

/** To the junk folder; from there back to the inbox. */
export function junk(rows = actionRows()): Promise<void> {
  const from = list.value.mailbox;
  return moveToRole(rows, from && from === byRole.value.get('junk')?.id ? 'inbox' : 'junk');
}

/** To the trash; what lies there (or in the junk) is deleted for good. */
export async function remove(rows = actionRows()): Promise<void> {
  if (!rows.length) return;
  const role = list.value.mailbox ? mailboxes.value.get(list.value.mailbox)?.role : null;
  if (role !== 'trash' && role !== 'junk') return moveToRole(rows, 'trash');
  const ids = rows.flatMap((id) => rowEmailsHere(id));
  await destroy(ids, rows);
}

export async function destroy(ids: readonly Id[], rows: readonly Id[] = ids): Promise<void> {
  const was = remember(ids);
  const putBack = leave(rows);
  for (const id of ids) show(id, { mailboxIds: {} });
  const revert = () => {
    showAll(was);
    putBack();
  };
  try {
    await inTurn(ids, async () => {
      const most = client.limits?.maxObjectsInSet ?? 500;
      for (let i = 0; i < ids.length; i += most) {
        const answer = await client.call('Email/set', { destroy: ids.slice(i, i + most) });
        throwSetErrors(
          Object.fromEntries(Object.entries(answer.notDestroyed ?? {}).filter(([, e]) => e.type !== 'notFound')),
        );
      }
    });
    toast(t('done.destroy', { n: rows.length }), {
      action: undoDestroyed(amongst(ids), ids.length),
    });
  } catch (e) {
    revert();
    reportError(e, () => void destroy(ids, rows));
  } finally {
    setTimeout(() => rows.forEach((id) => taken.delete(id)), 5000);
  }
}

/** How many days the server keeps what is deleted for good; 0: it does not. */
const keptDays = () => own.value?.undeleteDays ?? 14;

/** Undo for what was just destroyed, where the server keeps it. */
function undoDestroyed(isIt: (d: DeletedEmail) => boolean, n: number) {
  return keptDays() > 0 && n > 0 ? { label: t('undo'), run: () => void restore(isIt, n) } : undefined;
}

/** Brings back what was just destroyed: the newest `n` that are meant. */
async function restore(isIt: (d: DeletedEmail) => boolean, n: number): Promise<void> {
  try {
    const numbers: Id[] = [];
    for (let position = 0; numbers.length < n && position < 5000; ) {
      const got = await client.call('DeletedEmail/query', { position, limit: 200 });
      for (const d of got.list) if (numbers.length < n && isIt(d)) numbers.push(d.id);
      position += got.list.length;
      if (got.list.length === 0) break;
    }
    if (numbers.length === 0) throw new JmapError('notFound');
    const most = client.limits?.maxObjectsInGet ?? 500;
    for (let i = 0; i < numbers.length; i += most)
      await client.call('DeletedEmail/restore', { ids: numbers.slice(i, i + most) });
    toast(t('done.undone'), { seconds: 3 });
  } catch (e) {
    reportError(e);
  }
}

/** Is it one of these emails? */
function amongst(emails: readonly Id[]): (d: DeletedEmail) => boolean {
  const wanted = new Set(emails);
  return (d) => wanted.has(d.emailId);
}

function keyword(emails: readonly Id[], name: string, on: boolean, done?: string): Promise<void> {
  return act({
    emails,
    next: (was) => {
      if (!!was.keywords[name] === on) return null;
      const keywords = { ...was.keywords };
      if (on) keywords[name] = true;
      else delete keywords[name];
      return { show: { keywords }, patch: { [`keywords/${pointer(name)}`]: on ? true : null } };
    },
    ...(done ? { done } : {}),
  });
}

export function markRead(rows: readonly Id[] = actionRows(), read = true): Promise<void> {
  const emails = read ? rows.flatMap((id) => rowEmails(id)) : rows.flatMap((id) => rowEmailsHere(id).slice(-1));
  return keyword(emails, '$seen', read, t(read ? 'done.read' : 'done.unread'));
}

/** Reading marks as read: nothing to undo. */
export function markSeen(emails: readonly Id[]): Promise<void> {
  return keyword(emails, '$seen', true);
}

export function isFlagged(row: Id): boolean {
  return rowEmails(row).some((id) => emailOf(id)?.keywords?.$flagged);
}

/** Flags, or takes the flags away when all have one. */
export function toggleFlag(rows: readonly Id[] = actionRows()): Promise<void> {
  if (!rows.length) return Promise.resolve();
  const on = !rows.every(isFlagged);
  const emails = on ? rows : rows.flatMap((id) => rowEmails(id));
  return keyword(emails, '$flagged', on, t(on ? 'done.flag' : 'done.unflag'));
}

export function flagEmail(id: Id, on: boolean): Promise<void> {
  return keyword([id], '$flagged', on);
}

// --- Folders ---

export async function saveMailbox(change: { create: { name: string; parentId: Id | null } } | { id: Id; patch: Patch }, done: string, inverse?: Patch): Promise<void> {
  const before = mailboxes.value;
  if ('id' in change) patchMailbox(change.id, () => change.patch as Partial<Mailbox>);
  try {
    const answer = await client.call(
      'Mailbox/set',
      'id' in change
        ? { update: { [change.id]: change.patch } }
        : { create: { new: { ...change.create, isSubscribed: true } } },
    );
    throwSetErrors(answer.notCreated, answer.notUpdated);
    toast(done, {
      action:
        'id' in change
          ? inverse && {
              label: t('undo'),
              run: () => void saveMailbox({ id: change.id, patch: inverse }, t('done.undone')),
            }
          : {
              label: t('undo'),
              run: () => {
                const id = answer.created?.new?.id;
                if (id) void client.call('Mailbox/set', { destroy: [id] }).catch(reportError);
              },
            },
    });
  } catch (e) {
    mailboxes.value = before;
    reportError(e);
  }
}

/** "Projekte/Gartenhaus": how the list of deleted messages names a folder. */
function pathOf(m: Mailbox): string {
  const parent = m.parentId ? mailboxes.value.get(m.parentId) : undefined;
  const name = m.role === 'inbox' ? 'INBOX' : m.name;
  return parent ? `${pathOf(parent)}/${name}` : name;
}

export async function deleteMailbox(m: Mailbox): Promise<void> {
  const name = mailboxName(m);
  const path = pathOf(m);
  const sure =
    m.totalEmails === 0 ||
    (await ask({
      title: t('folder.delete'),
      text: t(keptDays() ? 'folder.deleteText' : 'folder.deleteTextGone', { n: m.totalEmails, name, days: keptDays() }),
      confirm: t('folder.delete'),
      danger: true,
    }));
  if (!sure) return;
  try {
    const answer = await client.call('Mailbox/set', { destroy: [m.id], onDestroyRemoveEmails: true });
    throwSetErrors(answer.notDestroyed);
    const next = new Map(mailboxes.value);
    next.delete(m.id);
    mailboxes.value = next;
    if (route.value.mailbox === m.id) go({ mailbox: byRole.value.get('inbox')?.id ?? null, open: null }, true);
    const empty = m.totalEmails === 0;
    toast(t('folder.deleted'), {
      action: empty
        ? {
            label: t('undo'),
            run: () => void saveMailbox({ create: { name: m.name, parentId: m.parentId } }, t('done.undone')),
          }
        : undoDestroyed((d) => d.mailbox === path, m.totalEmails),
    });
  } catch (e) {
    reportError(e);
  }
}

/** All emails of a folder, in portions. */
async function* emailsOf(m: Mailbox, filter: object): AsyncGenerator<Id[]> {
  for (let round = 0; round < 1000; round++) {
    const { ids } = await client.call('Email/query', { filter: { inMailbox: m.id, ...filter }, limit: 500 });
    if (ids.length === 0) return;
    yield ids;
  }
}

export async function emptyMailbox(m: Mailbox): Promise<void> {
  const sure = await ask({
    title: t('folder.empty'),
    text: t(keptDays() ? 'folder.emptyText' : 'folder.emptyTextGone', { n: m.totalEmails, days: keptDays() }),
    confirm: t('act.deleteForever'),
    danger: true,
  });
  if (!sure) return;
  try {
    const all: Id[] = [];
    for await (const ids of emailsOf(m, {})) {
      const answer = await client.call('Email/set', { destroy: ids });
      throwSetErrors(answer.notDestroyed);
      all.push(...ids);
    }
    if (route.value.mailbox === m.id) go({ open: null }, true);
    toast(t('done.destroy', { n: all.length }), {
      action: undoDestroyed(amongst(all), all.length),
    });
  } catch (e) {
    reportError(e, () => void emptyMailbox(m));
  }
}

export async function markMailboxRead(m: Mailbox): Promise<void> {
  try {
    const all: Id[] = [];
    for await (const ids of emailsOf(m, { notKeyword: '$seen' })) {
      await setEmails(Object.fromEntries(ids.map((id) => [id, { 'keywords/$seen': true }])));
      for (const id of ids) {
        const e = peekEmail(id);
        if (e) takeEmail({ id, keywords: { ...e.keywords, $seen: true } });
      }
      all.push(...ids);
    }
    if (!all.length) return;
    toast(t('done.read'), {
      action: {
        label: t('undo'),
        run: () =>
          void setEmails(Object.fromEntries(all.map((id) => [id, { 'keywords/$seen': null }]))).then(
            () => {
              for (const id of all) {
                const e = peekEmail(id);
                if (!e) continue;
                const { $seen: _, ...keywords } = e.keywords;
                takeEmail({ id, keywords });
              }
            },
            (e) => reportError(e),
          ),
      },
    });
  } catch (e) {
    reportError(e, () => void markMailboxRead(m));
  }
}
