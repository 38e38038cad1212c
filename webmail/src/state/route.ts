// Where the user is, as the address shows it, so that Back, reload and bookmarks work:
//   #/B3            a mailbox          #/B3/T7        a conversation in it
//   #/search/WORDS  a search           #/search/WORDS/T7

import { signal } from '@preact/signals';
import type { Id } from '../jmap/types.ts';

export interface Route {
  mailbox: Id | null;
  search: string | null;
  /** The conversation (or, without conversations, the email) that is open. */
  open: Id | null;
}

export function parseRoute(hash: string): Route {
  const parts = hash.replace(/^#?\/?/, '').split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return '';
    }
  });
  if (parts[0] === 'search') return { mailbox: null, search: parts[1] ?? '', open: parts[2] || null };
  return { mailbox: parts[0] || null, search: null, open: parts[1] || null };
}

export function routeHash(r: Route): string {
  const list = r.search !== null ? `#/search/${encodeURIComponent(r.search)}` : `#/${r.mailbox ?? ''}`;
  return r.open ? `${list}/${r.open}` : list;
}

export const route = signal<Route>(
  parseRoute(typeof location === 'undefined' ? '' : location.hash),
);

/** Goes there; `replace` leaves no step for Back. */
export function go(change: Partial<Route>, replace = false): void {
  const next = { ...route.value, ...change };
  const hash = routeHash(next);
  if (hash === routeHash(route.value)) {
    route.value = next;
    return;
  }
  if (replace) history.replaceState(null, '', hash);
  else history.pushState(null, '', hash);
  route.value = next;
}

if (typeof addEventListener === 'function') {
  addEventListener('popstate', () => (route.value = parseRoute(location.hash)));
}
