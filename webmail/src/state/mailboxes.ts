// The folders: as the server has them, as a tree, and by their roles.

import { computed, signal } from '@preact/signals';
import type { Id, Mailbox, Role } from '../jmap/types.ts';
import { t } from '../i18n/index.ts';
import type { Key } from '../i18n/index.ts';

export const mailboxes = signal<ReadonlyMap<Id, Mailbox>>(new Map());
export const mailboxState = signal('');
export const mailboxesLoaded = signal(false);

const ROLES: Role[] = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash'];

export function mailboxName(m: Mailbox): string {
  return m.role && ROLES.includes(m.role) ? t(`role.${m.role}` as Key) : m.name;
}

export const byRole = computed(() => {
  const map = new Map<Role, Mailbox>();
  for (const m of mailboxes.value.values()) if (m.role) map.set(m.role, m);
  return map;
});

export interface Folder {
  mailbox: Mailbox;
  depth: number;
  children: number;
}

/** Folders with a role first, then the others by name; each with its children behind it. */
export function folderTree(all: Iterable<Mailbox>, closed: ReadonlySet<Id>, language: string): Folder[] {
  const children = new Map<Id | null, Mailbox[]>();
  const known = new Set<Id>();
  const list = [...all];
  for (const m of list) known.add(m.id);
  for (const m of list) {
    const parent = m.parentId && known.has(m.parentId) ? m.parentId : null;
    const siblings = children.get(parent);
    if (siblings) siblings.push(m);
    else children.set(parent, [m]);
  }
  const { compare } = new Intl.Collator(language, { numeric: true });
  const rank = (m: Mailbox) => {
    const i = m.role ? ROLES.indexOf(m.role) : -1;
    return i < 0 ? ROLES.length : i;
  };
  for (const siblings of children.values())
    siblings.sort((a, b) => rank(a) - rank(b) || a.sortOrder - b.sortOrder || compare(a.name, b.name));
  const out: Folder[] = [];
  const walk = (parent: Id | null, depth: number) => {
    for (const mailbox of children.get(parent) ?? []) {
      const count = children.get(mailbox.id)?.length ?? 0;
      out.push({ mailbox, depth, children: count });
      if (count && !closed.has(mailbox.id) && depth < 40) walk(mailbox.id, depth + 1);
    }
  };
  walk(null, 0);
  return out;
}

/** Is `id` the folder `of`, or somewhere in it? */
export function isWithin(id: Id | null, of: Id): boolean {
  for (let at = id, steps = 0; at && steps < 100; steps++) {
    if (at === of) return true;
    at = mailboxes.value.get(at)?.parentId ?? null;
  }
  return false;
}

export function patchMailbox(id: Id, change: (m: Mailbox) => Partial<Mailbox>): void {
  const m = mailboxes.value.get(id);
  if (!m) return;
  mailboxes.value = new Map(mailboxes.value).set(id, { ...m, ...change(m) });
}
