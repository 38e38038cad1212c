// The frame around folders, list and reading pane: top bar, columns, and the shortcuts.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { language, t } from '../i18n/index.ts';
import { bind, helpOpen } from '../keys.ts';
import type { Role } from '../jmap/types.ts';
import { openComposer, openSettings } from '../open.ts';
import { archive, junk, markRead, openRow, remove, toggleFlag } from '../state/actions.ts';
import { address, online } from '../state/app.ts';
import { reportError } from '../state/errors.ts';
import { cursor, cursorIndex, ensureRows, here, list, selectAll, selectNone, selected, toggleSelected } from '../state/list.ts';
import { byRole, mailboxName } from '../state/mailboxes.ts';
import { go, route } from '../state/route.ts';
import { changeSettings, theme } from '../state/settings.ts';
import { signOut } from '../state/start.ts';
import { opened, wholeEmail } from '../state/thread.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { Skeleton } from '../ui/skeleton.tsx';
import { undoLast } from '../ui/toast.tsx';
import { Folders } from './folders.tsx';
import { ListPane, openRowOf } from './list.tsx';
import { openMove, MoveMenu } from './move.tsx';
import { focusSearch, SearchField } from './search.tsx';

export const drawer = signal(false);

// The reading pane is no part of the first list: it comes while somebody types a password, or while
// the list is asked for.
const Reader = signal<ComponentType | null>(null);
export function loadReader(): void {
  if (!Reader.value) import('./reader.tsx').then((m) => (Reader.value = m.Reader), reportError);
}

const WIDTH = 'depesche-list-width';
const listWidth = signal(Number(localStorage.getItem(WIDTH)) || 400);

function step(by: number): void {
  const ids = list.value.ids;
  const next = Math.min(Math.max(cursorIndex.value + by, 0), ids.length - 1);
  const id = ids[next];
  if (id === undefined) {
    if (next >= 0 && ids.length) void ensureRows(next, next + 1).catch(() => undefined);
    return;
  }
  cursor.value = id;
  if (route.value.open) openRowOf(id, true);
}

/** Answers the newest message that is unfolded, or the row's. */
async function answer(kind: 'reply' | 'replyAll' | 'forward'): Promise<void> {
  const o = opened.value;
  const id = o ? (o.emails.findLast((e) => o.unfolded.has(e)) ?? o.emails.at(-1)) : (cursor.value ?? undefined);
  if (!id) return;
  try {
    await openComposer({ kind, email: await wholeEmail(id) });
  } catch (e) {
    reportError(e);
  }
}

function goRole(role: Role): void {
  const box = byRole.value.get(role);
  if (box) go({ mailbox: box.id, search: null, open: null });
}

function backToList(): void {
  if (selected.value.size && !route.value.open) selectNone();
  else if (route.value.open) go({ open: null });
  else if (route.value.search !== null) goRole('inbox');
  document.getElementById('list')?.focus();
}

function useShortcuts(): void {
  useEffect(
    () =>
      bind({
        next: () => step(1),
        prev: () => step(-1),
        open: () => cursor.value && openRowOf(cursor.value),
        list: backToList,
        select: () => {
          const id = openRow() ?? cursor.value;
          if (id) toggleSelected(id);
        },
        search: focusSearch,
        goInbox: () => goRole('inbox'),
        goDrafts: () => goRole('drafts'),
        goSent: () => goRole('sent'),
        goArchive: () => goRole('archive'),
        goJunk: () => goRole('junk'),
        goTrash: () => goRole('trash'),
        compose: () => void openComposer({ kind: 'new' }),
        reply: () => void answer('reply'),
        replyAll: () => void answer('replyAll'),
        forward: () => void answer('forward'),
        archive: () => void archive(),
        delete: () => void remove(),
        junk: () => void junk(),
        flag: () => void toggleFlag(),
        read: () => void markRead(),
        unread: () => void markRead(undefined, false),
        move: () => openMove(),
        undo: () => void undoLast(),
        selectAll,
        selectNone,
        settings: () => void openSettings(),
        help: () => (helpOpen.value = true),
      }),
    [],
  );
}

function useTitle(): void {
  const box = here.value;
  const unread = byRole.value.get('inbox')?.unreadThreads ?? 0;
  const name = box ? mailboxName(box) : list.value.search !== null ? t('search.label') : '';
  useEffect(() => {
    document.title = `${unread ? `(${unread}) ` : ''}${name ? `${name} – ` : ''}Depesche`;
  }, [unread, name]);
}

function AccountMenu() {
  return (
    <Menu
      icon="user"
      label={`${t('shell.account')}: ${address.value}`}
      items={() => [
        { label: t('settings'), icon: 'settings', run: () => void openSettings() },
        { label: t('shell.help'), icon: 'help', hint: '?', run: () => (helpOpen.value = true) },
        { label: t('shell.details'), icon: 'server', run: () => open(`/?lang=${language.value}`, '_blank', 'noopener') },
        { label: t('shell.system'), separate: true, checked: theme.value === null, run: () => void changeSettings({ theme: null }) },
        { label: t('shell.light'), checked: theme.value === 'light', run: () => void changeSettings({ theme: 'light' }) },
        { label: t('shell.dark'), checked: theme.value === 'dark', run: () => void changeSettings({ theme: 'dark' }) },
        { label: t('shell.logout'), icon: 'logout', separate: true, run: () => void signOut() },
      ]}
    />
  );
}

/** The bar between list and reading pane: dragged, or moved with the arrow keys. */
function Divider() {
  const set = (w: number) => {
    listWidth.value = Math.round(Math.min(Math.max(w, 280), Math.min(720, innerWidth - 560)));
    localStorage.setItem(WIDTH, String(listWidth.value));
  };
  const down = (e: PointerEvent) => {
    const el = e.currentTarget as HTMLElement;
    const start = e.clientX;
    const width = listWidth.value;
    el.setPointerCapture(e.pointerId);
    const move = (m: PointerEvent) => set(width + m.clientX - start);
    el.addEventListener('pointermove', move);
    el.addEventListener('lostpointercapture', () => el.removeEventListener('pointermove', move), { once: true });
  };
  return (
    <div
      class="divider"
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={t('shell.resize')}
      aria-valuenow={listWidth.value}
      aria-valuemin={280}
      aria-valuemax={720}
      onPointerDown={down}
      onKeyDown={(e) => {
        if (e.key === 'ArrowLeft') set(listWidth.value - 20);
        else if (e.key === 'ArrowRight') set(listWidth.value + 20);
      }}
    />
  );
}

export function Shell() {
  useShortcuts();
  useTitle();
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => root.current!.style.setProperty('--list', `${listWidth.value}px`), [listWidth.value]);
  const reading = route.value.open !== null;
  const Pane = Reader.value;
  useEffect(loadReader, []);
  return (
    <div
      ref={root}
      class={`shell${reading ? ' reading' : ''}${drawer.value ? ' drawer' : ''}`}
    >
      <a class="skip" href="#list" onClick={(e) => {
        e.preventDefault();
        document.getElementById('list')?.focus();
      }}>{t('skip')}</a>
      <header class="top">
        <IconButton
          icon="menu"
          class="top-menu"
          label={t('shell.menu')}
          expanded={drawer.value}
          onClick={() => (drawer.value = !drawer.value)}
        />
        <a class="brand" href="#/" onClick={(e) => {
          e.preventDefault();
          goRole('inbox');
        }}>
          <Icon name="brand" />
          <span>Depesche</span>
        </a>
        <SearchField />
        <div class="top-end">
          <span class="top-address">{address.value}</span>
          <AccountMenu />
        </div>
      </header>
      {!online.value && <p class="banner" role="status">{t('offline.banner')}</p>}
      <div class="panes">
        <div class="scrim" onClick={() => (drawer.value = false)} />
        <nav class="pane-folders" aria-label={t('shell.folders')}>
          <div class="compose-box">
            <Button kind="primary" icon="compose" class="wide" title={`${t('shell.compose')} (c)`} onClick={() => void openComposer({ kind: 'new' })}>
              {t('shell.compose')}
            </Button>
          </div>
          <Folders />
        </nav>
        <main class="pane-list">
          <ListPane />
        </main>
        <Divider />
        <section class="pane-reader" aria-label={t('reader.label')}>
          {Pane ? <Pane /> : <Skeleton lines={9} />}
        </section>
      </div>
      <IconButton icon="compose" class="compose-float" label={t('shell.compose')} onClick={() => void openComposer({ kind: 'new' })} />
      <MoveMenu />
    </div>
  );
}
