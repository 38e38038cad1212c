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
// What the server has not found out within its second it knows a little later.
const AGAIN_MS = [2_000, 6_000, 60_000];

export function wayOf(email: string): Way | null {
  const w = ways.value.get(email.toLowerCase());
  return w && w !== 'asked' ? w : null;
}

function set(email: string, way: Way | 'asked' | null): void {
  const map = new Map(ways.peek());
  if (way) map.set(email, way);
  else map.delete(email);
  ways.value = map;
}

async function ask(email: string, tries: number): Promise<void> {
  try {
    const { list } = await client.call('Recipient/travel', { addresses: [email] });
    const found = list[0];
    if (!found) return set(email, null);
    set(email, { travel: found.travel, host: found.host || null });
    const wait = AGAIN_MS[tries];
    if (found.travel === 'unknown' && wait) setTimeout(() => void ask(email, tries + 1), wait);
  } catch {
    set(email, null);
  }
}

/** Asks for those that are not known yet; each by itself, so that one that takes long holds up no other. */
export async function askWays(emails: readonly string[]): Promise<void> {
  const wanted = [...new Set(emails.filter(isAddress).map((e) => e.toLowerCase()))].filter((e) => !ways.peek().has(e));
  for (const e of wanted) set(e, 'asked');
  await Promise.all(wanted.map((e) => ask(e, 0)));
}
