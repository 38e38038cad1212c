// Who is logged in, and the one client through which everything speaks to the server.

import { computed, signal } from '@preact/signals';
import { Client } from '../jmap/client.ts';
import type { Identity, OwnAccount, Session } from '../jmap/types.ts';

export const auth = signal<'unknown' | 'out' | 'in'>('unknown');
export const session = signal<Session | null>(null);
/** The session was ended while the page was open: the login says so. */
export const ended = signal(false);

export const client = new Client({
  onSessionEnd() {
    if (auth.value === 'in') ended.value = true;
    auth.value = 'out';
  },
  onSessionState() {
    void client.load().then((s) => (session.value = s), () => undefined);
  },
});

export const own = computed<OwnAccount | undefined>(() => (session.value ? client.own : undefined));
export const address = computed(() => own.value?.address ?? session.value?.username ?? '');
/** The domain of the account: addresses that look like it but are not it are suspicious. */
export const domain = computed(() => address.value.split('@')[1] ?? '');

export const identities = signal<Identity[]>([]);

/** Is this one of the user's own addresses? */
export function isMe(email: string | undefined): boolean {
  if (!email) return false;
  const lower = email.toLowerCase();
  return lower === address.value.toLowerCase() || identities.value.some((i) => i.email.toLowerCase() === lower);
}

export async function loadIdentities(): Promise<void> {
  identities.value = (await client.call('Identity/get', { ids: null })).list;
}

export const online = signal(typeof navigator === 'undefined' ? true : navigator.onLine);
if (typeof addEventListener === 'function') {
  addEventListener('online', () => (online.value = true));
  addEventListener('offline', () => (online.value = false));
}
