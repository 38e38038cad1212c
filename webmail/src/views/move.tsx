// The menu of folders to which messages are moved, with a field to find one.

import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { language, t } from '../i18n/index.ts';
import type { Id } from '../jmap/types.ts';
import { actionRows, moveRows } from '../state/actions.ts';
import { list } from '../state/list.ts';
import { folderTree, mailboxes, mailboxName } from '../state/mailboxes.ts';
import { Popup } from '../ui/menu.tsx';
import type { IconName } from '../ui/icon.tsx';

const moving = signal<{ rows: Id[]; anchor: HTMLElement | { x: number; y: number } } | null>(null);

/** Asks where the rows shall go. */
export function openMove(anchor?: HTMLElement, rows = actionRows()): void {
  if (!rows.length) return;
  moving.value = { rows, anchor: anchor ?? { x: innerWidth / 2 - 140, y: 96 } };
}

const ROLE_ICONS: Record<string, IconName> = {
  inbox: 'inbox', drafts: 'drafts', sent: 'sent', junk: 'junk', trash: 'trash', archive: 'archive',
};
export function folderIcon(role: string | null): IconName {
  return (role && ROLE_ICONS[role]) || 'folder';
}

export function MoveMenu() {
  const m = moving.value;
  return m ? <MovePopup key={m.rows.join()} rows={m.rows} anchor={m.anchor} /> : null;
}

function MovePopup({ rows, anchor }: { rows: Id[]; anchor: HTMLElement | { x: number; y: number } }) {
  const [filter, setFilter] = useState('');
  const wanted = filter.trim().toLowerCase();
  const folders = folderTree(mailboxes.value.values(), new Set(), language.value).filter(
    (f) => f.mailbox.id !== list.value.mailbox && (!wanted || mailboxName(f.mailbox).toLowerCase().includes(wanted)),
  );
  return (
    <Popup
      anchor={anchor}
      label={t('act.move')}
      onClose={() => (moving.value = null)}
      items={folders.map((f) => ({
        label: mailboxName(f.mailbox),
        icon: folderIcon(f.mailbox.role),
        depth: wanted ? 0 : f.depth,
        run: () => void moveRows(rows, f.mailbox),
      }))}
    >
      <input
        class="input menu-filter"
        type="search"
        placeholder={t('move.filter')}
        aria-label={t('move.filter')}
        value={filter}
        onInput={(e) => setFilter(e.currentTarget.value)}
      />
      {folders.length === 0 && <p class="menu-none">{t('move.none')}</p>}
    </Popup>
  );
}
