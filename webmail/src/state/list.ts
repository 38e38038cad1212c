// The list in the middle: the messages of a folder or the hits of a search, as far as they were
// looked at. Positions that nobody scrolled to are holes.

import { computed, signal } from '@preact/signals';
import type { Call } from '../jmap/client.ts';
import { BRIEF_PROPERTIES, ROW_PROPERTIES } from '../jmap/types.ts';
import type { EmailFilter, EmailQueryArgs, Id, SearchSnippet } from '../jmap/types.ts';
import { parseSearch, searchFilter } from '../mail/search.ts';
import { client } from './app.ts';
import { emailOf, emailState, forgetSome, takeEmail, takeThread, threadOf } from './emails.ts';
import { byRole, mailboxes, mailboxName } from './mailboxes.ts';
import { conversations } from './settings.ts';

export const PAGE = 50;

export interface List {
  /** Changes when something else is listed. */
  key: string;
  mailbox: Id | null;
  search: string | null;
  unreadOnly: boolean;
  filter: EmailFilter | null;
  collapse: boolean;
  /** Sparse; its length is the number of rows. */
  ids: (Id | undefined)[];
  /** Is the length known yet? */
  loaded: boolean;
  failed: boolean;
  queryState: string | null;
  snippets: Map<Id, SearchSnippet>;
}

const nothing: List = {
  key: '', mailbox: null, search: null, unreadOnly: false, filter: null, collapse: false, ids: [],
  loaded: false, failed: false, queryState: null, snippets: new Map(),
};

export const list = signal<List>(nothing);
/** The rows that are ticked, by their emails' ids. */
export const selected = signal<ReadonlySet<Id>>(new Set());
/** The row that the keyboard is on. */
export const cursor = signal<Id | null>(null);

export const cursorIndex = computed(() => {
  const at = cursor.value;
  return at === null ? -1 : list.value.ids.indexOf(at);
});

/** The mailbox that is listed, if it is one. */
export const here = computed(() => (list.value.mailbox ? mailboxes.value.get(list.value.mailbox) : undefined));

/** Do the rows show whom it was sent to? */
export const showsRecipients = computed(() => here.value?.role === 'sent' || here.value?.role === 'drafts');

/** Says that something inside the list has changed. */
export function touchList(change: Partial<List> = {}): void {
  list.value = { ...list.value, ...change };
}

function queryArgs(l: List): EmailQueryArgs {
  return {
    filter: l.filter,
    sort: [{ property: 'receivedAt', isAscending: false }],
    collapseThreads: l.collapse,
  };
}

/** Lists something else. Its first rows are asked for in this tick. */
export function openList(what: { mailbox: Id | null; search: string | null; unreadOnly?: boolean }): Promise<void> {
  const unreadOnly = what.unreadOnly ?? false;
  const collapse = what.search === null && conversations.value;
  forgetSome();
  let filter: EmailFilter | null;
  if (what.search !== null) {
    const junk = [byRole.value.get('trash'), byRole.value.get('junk')].flatMap((m) => (m ? [m.id] : []));
    filter = searchFilter(parseSearch(what.search), findMailbox, junk);
  } else filter = { inMailbox: what.mailbox ?? '', ...(unreadOnly ? { notKeyword: '$seen' } : {}) };
  const same = list.value.mailbox === what.mailbox && list.value.search === what.search;
  list.value = {
    ...nothing,
    key: `${what.search ?? what.mailbox}|${unreadOnly}|${collapse}|${performance.now()}`,
    mailbox: what.mailbox,
    search: what.search,
    unreadOnly,
    filter,
    collapse,
    snippets: new Map(),
  };
  if (!same) {
    selected.value = new Set();
    cursor.value = null;
  }
  return fetchPageOnce(list.value.key, 0);
}

/** The folder that `in:name` means: a role's name in either language, else a folder's own. */
export function findMailbox(name: string): Id | null {
  const wanted = name.toLowerCase();
  const all = [...mailboxes.value.values()];
  const found =
    all.find((m) => mailboxName(m).toLowerCase() === wanted || m.role === wanted) ??
    all.find((m) => m.name.toLowerCase() === wanted) ??
    all.find((m) => mailboxName(m).toLowerCase().startsWith(wanted));
  return found?.id ?? null;
}

/** Asks for what rows need: the emails, how their conversations stand, and who takes part. */
export function fetchRows(ids: { ids: readonly Id[] } | { '#ids': ReturnType<Call<'Email/query'>['ref']> }): Promise<void> {
  const rows = client.call('Email/get', { ...ids, properties: ROW_PROPERTIES });
  const threads = client.call('Thread/get', { '#ids': rows.ref('/list/*/threadId') });
  const briefs = client.call('Email/get', {
    '#ids': threads.ref('/list/*/emailIds'),
    properties: BRIEF_PROPERTIES,
  });
  return Promise.allSettled([rows, threads, briefs]).then(([r, th, b]) => {
    if (r.status === 'rejected') throw r.reason;
    if (b.status === 'fulfilled') for (const e of b.value.list) takeEmail(e);
    for (const e of r.value.list) takeEmail(e);
    if (th.status === 'fulfilled') for (const x of th.value.list) takeThread(x);
    emailState.value ||= r.value.state;
  });
}

async function fetchPage(page: number): Promise<void> {
  const l = list.value;
  const query = client.call('Email/query', {
    ...queryArgs(l),
    position: page * PAGE,
    limit: PAGE,
    calculateTotal: true,
  });
  const rows = fetchRows({ '#ids': query.ref('/ids') });
  const snippets = l.search === null ? null : client.call('SearchSnippet/get', { filter: l.filter, '#emailIds': query.ref('/ids') });
  try {
    const answer = await query;
    const ids = answer.ids;
    await rows;
    if (snippets) {
      const got = await snippets.catch(() => null);
      for (const s of got?.list ?? []) l.snippets.set(s.emailId, s);
    }
    if (list.value.key !== l.key) return;
    // The list moved under us: what was loaded before belongs to other positions.
    if (l.queryState !== null && answer.queryState !== list.value.queryState) touchList({ queryState: null });
    const total = answer.total ?? Math.max(list.value.ids.length, answer.position + ids.length);
    const known = list.value.ids;
    known.length = total;
    ids.forEach((id, i) => (known[answer.position + i] = id));
    touchList({ loaded: true, failed: false, queryState: list.value.queryState ?? (answer.canCalculateChanges ? answer.queryState : '') });
  } catch (e) {
    if (list.value.key === l.key && !list.value.loaded) touchList({ failed: true });
    throw e;
  }
}

/** Sees to it that the rows from first to last are there, or on their way. */
export function ensureRows(first: number, last: number): Promise<unknown> {
  const l = list.value;
  if (!l.loaded) return Promise.resolve();
  const pages = new Set<number>();
  for (let i = first; i < Math.min(last, l.ids.length); i++)
    if (l.ids[i] === undefined) pages.add(Math.floor(i / PAGE));
  return Promise.all(
    [...pages].map((page) => fetchPageOnce(l.key, page)),
  );
}

const underway = new Map<string, Promise<void>>();
function fetchPageOnce(key: string, page: number): Promise<void> {
  const name = `${key}#${page}`;
  const running = underway.get(name);
  if (running) return running;
  const fetching = fetchPage(page).finally(() => underway.delete(name));
  underway.set(name, fetching);
  return fetching;
}

/** Asks again for what is listed, keeping what is shown until the answer is there. */
export async function reloadList(): Promise<void> {
  const l = list.value;
  const query = client.call('Email/query', { ...queryArgs(l), position: 0, limit: PAGE, calculateTotal: true });
  const rows = fetchRows({ '#ids': query.ref('/ids') });
  const answer = await query;
  await rows;
  if (list.value.key !== l.key) return;
  const ids: (Id | undefined)[] = [...answer.ids];
  ids.length = answer.total ?? ids.length;
  touchList({
    ids,
    loaded: true,
    failed: false,
    queryState: answer.canCalculateChanges ? answer.queryState : '',
  });
}

// --- Changes ---

/** The query that asks what became of the list since it was loaded; null when it must be asked anew. */
export function changesArgs(): Parameters<typeof client.call<'Email/queryChanges'>>[1] | null {
  const l = list.value;
  if (!l.loaded || !l.queryState) return null;
  const upToId = l.ids.findLast((id) => id !== undefined);
  return {
    ...queryArgs(l),
    sinceQueryState: l.queryState,
    calculateTotal: true,
    maxChanges: 500,
    ...(upToId ? { upToId } : {}),
  };
}

/** RFC 8620 5.6 for a list with holes. Pure: returns the new list. */
export function spliceIds(
  ids: readonly (Id | undefined)[],
  removed: readonly Id[],
  added: readonly { id: Id; index: number }[],
  total: number | undefined,
  alreadyGone: ReadonlySet<Id>,
): (Id | undefined)[] {
  const next = ids.slice();
  const gone = new Set(removed);
  for (const { id } of added) gone.delete(id);
  const unknown = removed.filter((id) => gone.has(id) && !alreadyGone.has(id) && !next.includes(id));
  const moved = new Set(removed);
  let out: (Id | undefined)[] = [];
  // filter() would drop the holes' places
  for (let i = 0; i < next.length; i++) if (next[i] === undefined || !moved.has(next[i]!)) out.push(next[i]);
  if (unknown.length) {
    // They lay in a hole, nobody knows where: only what is before the first hole still has its place.
    const hole = out.indexOf(undefined);
    if (hole >= 0) out = out.slice(0, hole);
  }
  for (const { id, index } of [...added].sort((a, b) => a.index - b.index)) {
    if (index <= out.length) out.splice(index, 0, id);
    else out[index] = id;
  }
  const length = total ?? out.length;
  const result: (Id | undefined)[] = [];
  for (let i = 0; i < length; i++) result.push(out[i]);
  return result;
}

/** Emails that an action took out of the list before the server confirmed it. */
export const taken = new Set<Id>();

/** Takes rows out of the list; the returned function puts them back. */
export function takeOut(rows: readonly Id[]): () => void {
  const l = list.value;
  const gone = new Set(rows);
  const before = l.ids.slice();
  for (const id of rows) taken.add(id);
  const ids: (Id | undefined)[] = [];
  for (let i = 0; i < l.ids.length; i++) if (l.ids[i] === undefined || !gone.has(l.ids[i]!)) ids.push(l.ids[i]);
  touchList({ ids });
  const next = new Set(selected.value);
  for (const id of rows) next.delete(id);
  selected.value = next;
  return () => {
    for (const id of rows) taken.delete(id);
    if (list.value.key !== l.key) return;
    const now = list.value.ids.slice();
    for (const id of rows) {
      const at = before.indexOf(id);
      if (at >= 0 && !now.includes(id)) now.splice(Math.min(at, now.length), 0, id);
    }
    touchList({ ids: now });
  };
}

// --- Rows ---

/** The messages that a row stands for: with conversations all of it, else the one. */
export function rowEmails(id: Id): readonly Id[] {
  if (!list.value.collapse) return [id];
  return threadOf(emailOf(id)?.threadId) ?? [id];
}

/** Those of them that lie in the folder that is listed: what moving and deleting is about. */
export function rowEmailsHere(id: Id): readonly Id[] {
  const box = list.value.mailbox;
  if (!box) return [id];
  const inBox = rowEmails(id).filter((e) => emailOf(e)?.mailboxIds?.[box]);
  return inBox.length ? inBox : [id];
}

// --- Selection ---

let lastToggled: Id | null = null;

export function toggleSelected(id: Id, range = false): void {
  const next = new Set(selected.value);
  const ids = list.value.ids;
  const from = lastToggled ? ids.indexOf(lastToggled) : -1;
  const to = ids.indexOf(id);
  if (range && from >= 0 && to >= 0) {
    for (let i = Math.min(from, to); i <= Math.max(from, to); i++) if (ids[i]) next.add(ids[i]!);
  } else if (!next.delete(id)) next.add(id);
  lastToggled = id;
  selected.value = next;
}

export function selectAll(): void {
  selected.value = new Set(list.value.ids.filter((id): id is Id => id !== undefined));
}

export function selectNone(): void {
  selected.value = new Set();
  lastToggled = null;
}
