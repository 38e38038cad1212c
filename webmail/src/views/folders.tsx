// The folders: counts, roles, a tree that opens and closes; messages and folders can be dropped on
// them.

import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { count, language, t } from '../i18n/index.ts';
import type { Id, Mailbox } from '../jmap/types.ts';
import { deleteMailbox, emptyMailbox, markMailboxRead, moveRows, saveMailbox } from '../state/actions.ts';
import { folderTree, isWithin, mailboxes, mailboxesLoaded, mailboxName } from '../state/mailboxes.ts';
import type { Folder } from '../state/mailboxes.ts';
import { go, route } from '../state/route.ts';
import { prompt } from '../ui/dialog.tsx';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import type { MenuItem } from '../ui/menu.tsx';
import { Skeleton } from '../ui/skeleton.tsx';
import { beginDrag, dragged, endDrag } from './drag.ts';
import { folderIcon } from './move.tsx';
import { drawer } from './shell.tsx';

const CLOSED = 'depesche-closed-folders';
const closed = signal<ReadonlySet<Id>>(new Set((localStorage.getItem(CLOSED) ?? '').split(',').filter(Boolean)));

function toggle(id: Id): void {
  const next = new Set(closed.value);
  if (!next.delete(id)) next.add(id);
  closed.value = next;
  localStorage.setItem(CLOSED, [...next].join());
}

async function make(parentId: Id | null): Promise<void> {
  const name = await prompt({ title: t(parentId ? 'folder.newIn' : 'folder.new'), label: t('folder.name'), confirm: t('folder.create') });
  if (name) await saveMailbox({ create: { name, parentId } }, t('folder.made', { name }));
}

async function rename(m: Mailbox): Promise<void> {
  const name = await prompt({ title: t('folder.rename'), label: t('folder.name'), value: m.name, confirm: t('save') });
  if (name && name !== m.name)
    await saveMailbox({ id: m.id, patch: { name } }, t('folder.renamed'), { name: m.name });
}

function moveFolder(id: Id, parentId: Id | null): void {
  const m = mailboxes.value.get(id);
  if (!m || m.parentId === parentId || isWithin(parentId, id)) return;
  void saveMailbox({ id, patch: { parentId } }, t('folder.moved'), { parentId: m.parentId });
}

function mayDrop(onto: Mailbox | null): boolean {
  const d = dragged.value;
  if (!d) return false;
  if (d.kind === 'rows') return onto !== null && onto.id !== route.value.mailbox && onto.myRights?.mayAddItems !== false;
  const m = mailboxes.value.get(d.id);
  return !!m && m.parentId !== (onto?.id ?? null) && !isWithin(onto?.id ?? null, d.id) && onto?.myRights?.mayCreateChild !== false;
}

function drop(onto: Mailbox | null): void {
  const d = dragged.value;
  endDrag();
  if (d?.kind === 'rows' && onto) void moveRows(d.ids, onto);
  else if (d?.kind === 'folder') moveFolder(d.id, onto?.id ?? null);
}

function useDrop(onto: Mailbox | null) {
  const [over, setOver] = useState(false);
  return {
    over: over && dragged.value !== null,
    handlers: {
      onDragOver: (e: DragEvent) => {
        if (!mayDrop(onto)) return;
        e.preventDefault();
        setOver(true);
      },
      onDragLeave: () => setOver(false),
      onDrop: (e: DragEvent) => {
        e.preventDefault();
        setOver(false);
        if (mayDrop(onto)) drop(onto);
      },
    },
  };
}

function menuOf(m: Mailbox): MenuItem[] {
  const clears = m.role === 'trash' || m.role === 'junk';
  const items: MenuItem[] = [
    { label: t('folder.markRead'), icon: 'read', disabled: m.unreadEmails === 0, run: () => void markMailboxRead(m) },
    { label: t('folder.newIn'), icon: 'plus', disabled: m.myRights?.mayCreateChild === false, run: () => void make(m.id) },
  ];
  if (!m.role) items.push({ label: t('folder.rename'), icon: 'edit', disabled: m.myRights?.mayRename === false, run: () => void rename(m) });
  if (!m.role && m.parentId) items.push({ label: t('folder.top'), icon: 'up', run: () => moveFolder(m.id, null) });
  if (clears) items.push({ label: t('folder.empty'), icon: 'trash', danger: true, separate: true, disabled: m.totalEmails === 0, run: () => void emptyMailbox(m) });
  if (!m.role) items.push({ label: t('folder.delete'), icon: 'trash', danger: true, separate: true, disabled: m.myRights?.mayDelete === false, run: () => void deleteMailbox(m) });
  return items;
}

function FolderRow({ folder }: { folder: Folder }) {
  const m = folder.mailbox;
  const name = mailboxName(m);
  const current = route.value.mailbox === m.id;
  const isClosed = closed.value.has(m.id);
  const { over, handlers } = useDrop(m);
  const unread = m.role === 'drafts' ? m.totalEmails : m.role === 'sent' || m.role === 'trash' ? 0 : m.unreadThreads;
  return (
    <li class={`folder depth-${Math.min(folder.depth, 6)}${current ? ' current' : ''}${over ? ' over' : ''}`} {...handlers}>
      {folder.children > 0 ? (
        <button
          type="button"
          class={`folder-toggle${isClosed ? ' closed' : ''}`}
          aria-expanded={!isClosed}
          aria-label={t('folder.toggle', { name })}
          onClick={() => toggle(m.id)}
        >
          <Icon name="down" />
        </button>
      ) : (
        <span class="folder-toggle" />
      )}
      <a
        href={`#/${m.id}`}
        aria-current={current ? 'page' : undefined}
        draggable={!m.role}
        onDragStart={(e) => beginDrag(e, { kind: 'folder', id: m.id }, name)}
        onDragEnd={endDrag}
        onClick={(e) => {
          if (e.ctrlKey || e.metaKey || e.shiftKey) return;
          e.preventDefault();
          drawer.value = false;
          go({ mailbox: m.id, search: null, open: null });
        }}
      >
        <Icon name={folderIcon(m.role)} />
        <span class="folder-name">{name}</span>
        {unread > 0 && (
          <span class={`count${m.role === 'drafts' ? ' count-quiet' : ''}`}>
            <span aria-hidden="true">{count(unread)}</span>
            <span class="unseen">{m.role === 'drafts' ? t('list.messages', { n: unread }) : t('folder.unread', { n: unread })}</span>
          </span>
        )}
      </a>
      <Menu icon="more" label={t('folder.actions', { name })} items={() => menuOf(m)} class="folder-menu" />
    </li>
  );
}

export function Folders() {
  const top = useDrop(null);
  if (!mailboxesLoaded.value) return <Skeleton lines={7} />;
  const tree = folderTree(mailboxes.value.values(), closed.value, language.value);
  const own = tree.findIndex((f) => f.depth === 0 && !f.mailbox.role);
  const rows = (from: number, to?: number) =>
    tree.slice(from, to).map((f) => <FolderRow key={f.mailbox.id} folder={f} />);
  return (
    <div class="folders">
      <ul>{rows(0, own < 0 ? undefined : own)}</ul>
      <div class={`folders-own${top.over ? ' over' : ''}`} {...top.handlers}>
        <h2>{t('shell.folders')}</h2>
        <Button kind="quiet" icon="plus" title={t('folder.new')} onClick={() => void make(null)}>
          <span class="unseen">{t('folder.new')}</span>
        </Button>
      </div>
      {own >= 0 && <ul>{rows(own)}</ul>}
    </div>
  );
}
