// From an address bar to the first list: the session, then one request for all that is shown first.

import { effect, untracked } from '@preact/signals';
import { JmapError } from '../jmap/client.ts';
import { logout } from '../jmap/login.ts';
import type { Id } from '../jmap/types.ts';
import { auth, client, ended, identities, session } from './app.ts';
import { reportError } from './errors.ts';
import { list, openList } from './list.ts';
import { listenLive, stopLive } from './live.ts';
import { byRole, mailboxes, mailboxesLoaded, mailboxState } from './mailboxes.ts';
import { go, route } from './route.ts';
import { conversations, takeSettings } from './settings.ts';
import { openFromRoute } from './thread.ts';

// An account's first mailbox is its Inbox. The first request builds on it; were it another one, the
// list would be asked for once more.
const USUAL_INBOX: Id = 'B1';

/** Is somebody logged in? Then goes on. */
export async function start(): Promise<void> {
  try {
    session.value = await client.load();
  } catch (e) {
    if (!(e instanceof JmapError && e.type === 'session')) reportError(e, () => void start());
    auth.value = 'out';
    return;
  }
  ended.value = false;
  const boxes = client.call('Mailbox/get', { ids: null });
  const kept = client.call('Settings/get', {});
  const senders = client.call('Identity/get', { ids: null });
  // A search needs to know the folders; a folder's list need not wait for them.
  const guess = route.value.search === null ? (route.value.mailbox ?? USUAL_INBOX) : null;
  const first = guess ? openList({ mailbox: guess, search: null }).then(() => true, () => false) : Promise.resolve(true);
  client.flush(); // the server works while the shell is drawn
  auth.value = 'in';
  try {
    const got = await boxes;
    mailboxes.value = new Map(got.list.map((m) => [m.id, m]));
    mailboxState.value = got.state;
    mailboxesLoaded.value = true;
    takeSettings((await kept).settings);
    identities.value = (await senders).list;
    const inbox = byRole.value.get('inbox')?.id ?? null;
    if (!route.value.mailbox && route.value.search === null) go({ mailbox: inbox }, true);
    else if (route.value.mailbox && !mailboxes.value.has(route.value.mailbox)) go({ mailbox: inbox, open: null }, true);
    await first;
    follow();
    listenLive();
  } catch (e) {
    reportError(e, () => void start());
  }
}

let following: (() => void) | null = null;

/** From now on the list and the reading pane show what the address says. */
function follow(): void {
  following?.();
  const stops = [
    effect(() => {
      const { mailbox, search } = route.value;
      const collapse = search === null && conversations.value;
      untracked(() => {
        const l = list.value;
        if (l.key && l.mailbox === mailbox && l.search === search && l.collapse === collapse && !l.failed) return;
        openList({ mailbox, search }).catch(reportError);
      });
    }),
    effect(() => {
      void route.value.open;
      untracked(() => void openFromRoute());
    }),
  ];
  following = () => stops.forEach((s) => s());
}

export async function signOut(): Promise<void> {
  stopLive();
  await logout();
  // Nothing of the account stays in memory.
  location.replace('/mail/');
}
