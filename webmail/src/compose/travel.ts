// How mail would reach each recipient (Recipient/travel), asked for once an address and kept.

import { signal } from '@preact/signals';
import type { Travel } from '../jmap/types.ts';
import { client } from '../state/app.ts';
import { isAddress } from './reply.ts';

export interface Way {
  travel: Travel;
  host: string | null;
}

const ways = signal<ReadonlyMap<string, Way | 'asked'>>(new Map());
const AT_ONCE = 20;

export function wayOf(email: string): Way | null {
  const w = ways.value.get(email.toLowerCase());
  return w && w !== 'asked' ? w : null;
}

/** Asks for those that are not known yet. */
export async function askWays(emails: readonly string[]): Promise<void> {
  const wanted = [...new Set(emails.filter(isAddress).map((e) => e.toLowerCase()))].filter((e) => !ways.peek().has(e));
  if (!wanted.length) return;
  ways.value = new Map([...ways.peek(), ...wanted.map((e) => [e, 'asked'] as const)]);
  for (let i = 0; i < wanted.length; i += AT_ONCE) {
    const part = wanted.slice(i, i + AT_ONCE);
    const next = await client.call('Recipient/travel', { addresses: part }).then(
      (a) => {
        const map = new Map(ways.peek());
        for (const x of a.list) {
          // What could not be found out may be known the next time.
          if (x.travel === 'unknown') setTimeout(() => forget(x.address), 60_000);
          map.set(x.address.toLowerCase(), { travel: x.travel, host: x.host || null });
        }
        return map;
      },
      () => {
        const map = new Map(ways.peek());
        for (const e of part) map.delete(e);
        return map;
      },
    );
    ways.value = next;
  }
}

function forget(email: string): void {
  const map = new Map(ways.peek());
  if (map.delete(email.toLowerCase())) ways.value = map;
}
