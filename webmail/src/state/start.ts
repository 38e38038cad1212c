// From an address bar to the first list: the session, then one request for all that is shown first.

import { JmapError } from '../jmap/client.ts';
import { auth, client, ended, identities, own, session } from './app.ts';
import { reportError } from './errors.ts';
import { mailboxes, mailboxesLoaded, mailboxState } from './mailboxes.ts';
import { takeSettings } from './settings.ts';

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
  takeSettings({ language: own.value?.language });
  auth.value = 'in';
  const boxes = client.call('Mailbox/get', { ids: null });
  const kept = client.call('Settings/get', {});
  const senders = client.call('Identity/get', { ids: null });
  try {
    const got = await boxes;
    mailboxes.value = new Map(got.list.map((m) => [m.id, m]));
    mailboxState.value = got.state;
    mailboxesLoaded.value = true;
    takeSettings((await kept).settings);
    identities.value = (await senders).list;
  } catch (e) {
    reportError(e, () => void start());
  }
}
