// The one table of keyboard shortcuts: what is pressed, what it is called, what it does. Views bind
// functions to the names; the help dialog shows the table.

import { signal } from '@preact/signals';
import type { Key } from './i18n/index.ts';

export interface Shortcut {
  keys: string[];
  label: Key;
  group: 'moving' | 'acting' | 'other';
}

export const SHORTCUTS = {
  next: { keys: ['j'], label: 'keys.next', group: 'moving' },
  prev: { keys: ['k'], label: 'keys.prev', group: 'moving' },
  open: { keys: ['o', 'Enter'], label: 'keys.open', group: 'moving' },
  list: { keys: ['u', 'Escape'], label: 'keys.list', group: 'moving' },
  search: { keys: ['/'], label: 'keys.search', group: 'moving' },
  goInbox: { keys: ['g i'], label: 'keys.goInbox', group: 'moving' },
  goDrafts: { keys: ['g d'], label: 'keys.goDrafts', group: 'moving' },
  goSent: { keys: ['g s'], label: 'keys.goSent', group: 'moving' },
  goArchive: { keys: ['g a'], label: 'keys.goArchive', group: 'moving' },
  goJunk: { keys: ['g j'], label: 'keys.goJunk', group: 'moving' },
  goTrash: { keys: ['g t'], label: 'keys.goTrash', group: 'moving' },
  compose: { keys: ['c'], label: 'shell.compose', group: 'acting' },
  reply: { keys: ['r'], label: 'act.reply', group: 'acting' },
  replyAll: { keys: ['a'], label: 'act.replyAll', group: 'acting' },
  forward: { keys: ['f'], label: 'act.forward', group: 'acting' },
  select: { keys: ['x'], label: 'keys.select', group: 'acting' },
  archive: { keys: ['e'], label: 'act.archive', group: 'acting' },
  delete: { keys: ['#', 'Delete'], label: 'act.delete', group: 'acting' },
  junk: { keys: ['!'], label: 'act.junk', group: 'acting' },
  flag: { keys: ['s'], label: 'act.flag', group: 'acting' },
  read: { keys: ['Shift+I'], label: 'act.read', group: 'acting' },
  unread: { keys: ['Shift+U'], label: 'act.unread', group: 'acting' },
  move: { keys: ['v'], label: 'act.move', group: 'acting' },
  undo: { keys: ['z'], label: 'keys.undo', group: 'other' },
  selectAll: { keys: ['* a'], label: 'list.selectAll', group: 'other' },
  selectNone: { keys: ['* n'], label: 'list.selectNone', group: 'other' },
  settings: { keys: ['g e'], label: 'settings', group: 'other' },
  help: { keys: ['?'], label: 'keys.title', group: 'other' },
} as const satisfies Record<string, Shortcut>;

export type ShortcutName = keyof typeof SHORTCUTS;
export type Bindings = Partial<Record<ShortcutName, () => void>>;

export const helpOpen = signal(false);

/** For tooltips: how the shortcut is pressed. */
export function shortcutText(name: ShortcutName): string {
  return SHORTCUTS[name].keys[0];
}

const bound: Bindings = {};

/** Binds functions to shortcuts until the returned function is called. */
export function bind(bindings: Bindings): () => void {
  Object.assign(bound, bindings);
  return () => {
    for (const [name, run] of Object.entries(bindings))
      if (bound[name as ShortcutName] === run) delete bound[name as ShortcutName];
  };
}

export function keyName(e: { key: string; shiftKey: boolean }): string {
  return e.shiftKey && /^[A-Z]$/.test(e.key) ? `Shift+${e.key}` : e.key;
}

/** Finds the shortcut for what was pressed, after `prefix` of a two-key one; 'more' when it is the
 * first of two keys. */
export function findShortcut(prefix: string, key: string): ShortcutName | 'more' | null {
  const pressed = prefix ? `${prefix} ${key}` : key;
  let more = false;
  for (const [name, shortcut] of Object.entries(SHORTCUTS)) {
    if ((shortcut.keys as readonly string[]).includes(pressed)) return name as ShortcutName;
    more ||= shortcut.keys.some((k) => k.startsWith(pressed + ' '));
  }
  return more ? 'more' : null;
}

const PREFIX_MS = 1200;

/** Starts listening; fields and open dialogs keep their keys. */
export function listenKeys(): void {
  let prefix = '';
  let since = 0;
  addEventListener('keydown', (e) => {
    const target = e.target as HTMLElement;
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
    if (target.closest('input, textarea, select, [contenteditable], dialog, [popover]')) return;
    // An open window keeps its keys also while nothing in it has the focus.
    if (document.querySelector('dialog[open]')) return;
    if (e.key === 'Enter' && target.closest('button, a, summary')) return;
    if (['Shift', 'Control', 'Alt', 'Meta'].includes(e.key)) return;
    const start = e.timeStamp - since < PREFIX_MS ? prefix : '';
    const found = findShortcut(start, keyName(e)) ?? (start ? findShortcut('', keyName(e)) : null);
    prefix = '';
    if (found === 'more') {
      prefix = e.key;
      since = e.timeStamp;
      e.preventDefault();
      return;
    }
    const run = found && bound[found];
    if (!run) return;
    e.preventDefault();
    run();
  });
}
