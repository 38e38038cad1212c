// Words for what went wrong: each says what to do next.

import { JmapError } from '../jmap/client.ts';
import type { SetError } from '../jmap/types.ts';
import { formatSize, t } from '../i18n/index.ts';
import type { Key } from '../i18n/index.ts';
import { toast } from '../ui/toast.tsx';

const KNOWN: Record<string, Key> = {
  offline: 'error.offline',
  session: 'error.session',
  busy: 'error.busy',
  limit: 'error.busy',
  serverUnavailable: 'error.busy',
  serverPartialFail: 'error.partial',
  notFound: 'error.notFound',
  notJSON: 'error.server',
  notRequest: 'error.server',
  forbidden: 'error.forbidden',
  overQuota: 'error.quota',
  tooLarge: 'error.tooLarge',
  rateLimit: 'error.rate',
  requestTooLarge: 'error.tooMuch',
  stateMismatch: 'error.changed',
  mailboxHasChild: 'error.hasChild',
  mailboxHasEmail: 'error.hasEmail',
  invalidProperties: 'error.invalid',
  willDestroy: 'error.notFound',
  noRecipients: 'error.noRecipients',
  invalidRecipients: 'error.badRecipients',
  tooManyRecipients: 'error.manyRecipients',
  forbiddenFrom: 'error.from',
  forbiddenMailFrom: 'error.from',
  forbiddenToSend: 'error.maySend',
  cannotUnsend: 'error.unsend',
};

export function errorText(e: unknown): string {
  const known = e instanceof JmapError || isSetError(e) ? KNOWN[e.type] : undefined;
  if (known === 'error.tooLarge' && e instanceof JmapError && typeof e.extra.limit === 'number')
    return t('error.tooLargeThan', { size: formatSize(e.extra.limit) });
  return t(known ?? 'error.server');
}

function isSetError(e: unknown): e is SetError {
  return typeof e === 'object' && e !== null && typeof (e as SetError).type === 'string';
}

/** Shows what went wrong, with a way to try again if there is one. The end of the session is not
 * shown: the login page says it. */
export function reportError(e: unknown, retry?: () => void): void {
  if (e instanceof JmapError && (e.type === 'session' || e.type === 'aborted')) return;
  if (!(e instanceof JmapError) && !isSetError(e)) console.error(e);
  toast(errorText(e), { kind: 'error', action: retry && { label: t('retry'), run: retry } });
}

/** The first error of a /set answer, thrown. */
export function throwSetErrors(...lists: (Record<string, SetError> | null | undefined)[]): void {
  for (const list of lists)
    for (const error of Object.values(list ?? {})) throw new JmapError(error.type, error.description ?? null);
}
