// The reading pane: the open conversation with its actions.

import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { isFlagged, markRead, openRow, toggleFlag } from '../state/actions.ts';
import { emailOf } from '../state/emails.ts';
import { cursorIndex, list, selected, selectNone } from '../state/list.ts';
import { go, route } from '../state/route.ts';
import { openFromRoute, opened } from '../state/thread.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Skeleton } from '../ui/skeleton.tsx';
import { LinkStatus } from './links.tsx';
import { Actions, openRowOf } from './list.tsx';
import { Message } from './message.tsx';
import { preloadHtml } from './body.tsx';

function Neighbour({ by }: { by: 1 | -1 }) {
  const id = list.value.ids[cursorIndex.value + by];
  return (
    <IconButton
      icon={by > 0 ? 'down' : 'up'}
      label={t(by > 0 ? 'act.next' : 'act.previous')}
      shortcut={by > 0 ? 'j' : 'k'}
      disabled={cursorIndex.value < 0 || id === undefined}
      onClick={() => id && openRowOf(id, true)}
    />
  );
}

function Nothing() {
  const n = selected.value.size;
  return (
    <div class="empty reader-none">
      <Icon name={n ? 'all' : 'inbox'} />
      <p>{n ? t('reader.many', { n }) : t('reader.none')}</p>
      {n ? <Button onClick={selectNone}>{t('list.selectNone')}</Button> : <p class="fine">{t('reader.noneHint')}</p>}
    </div>
  );
}

export function Reader() {
  const o = opened.value;
  const scroller = useRef<HTMLDivElement>(null);
  const open = route.value.open;
  useEffect(() => {
    const soon = setTimeout(preloadHtml, 400);
    return () => clearTimeout(soon);
  }, []);
  // A long conversation starts at the first message that is unfolded.
  useEffect(() => {
    const el = scroller.current;
    if (!el) return;
    const first = o && o.emails.length > 1 ? el.querySelector<HTMLElement>('.message.unfolded') : null;
    el.scrollTop = first ? Math.max(0, first.offsetTop - 120) : 0;
  }, [o?.id, (o?.emails.length ?? 0) > 0]);
  if (!open || !o) return <Nothing />;
  const row = openRow();
  const rows = row ? [row] : o.emails.slice(-1);
  const subject = [...o.emails, ...rows].map((id) => emailOf(id)?.subject).find((s) => s !== undefined);
  const unread = o.emails.some((id) => !emailOf(id)?.keywords.$seen);
  const flagged = rows.every(isFlagged);
  return (
    <>
      <div class="reader-bar" role="toolbar" aria-label={t('reader.label')}>
        <IconButton icon="back" class="reader-back" label={t('act.back')} shortcut="u" onClick={() => go({ open: null })} />
        <Actions rows={rows} />
        <IconButton
          icon={unread ? 'read' : 'unread'}
          label={t(unread ? 'act.read' : 'act.unread')}
          onClick={() => {
            void markRead(rows, unread);
            if (!unread) go({ open: null });
          }}
        />
        <IconButton icon="star" filled={flagged} class={`flag${flagged ? ' on' : ''}`} pressed={flagged} label={t(flagged ? 'act.unflag' : 'act.flag')} shortcut="s" onClick={() => void toggleFlag(rows)} />
        <span class="spacer" />
        <Neighbour by={-1} />
        <Neighbour by={1} />
      </div>
      <div class="reader-scroll" ref={scroller} tabIndex={-1}>
        {o.error ? (
          <div class="empty" role="alert">
            <Icon name="warning" />
            <p>{t('reader.failed')} {o.error}</p>
            <Button onClick={() => void openFromRoute()}>{t('retry')}</Button>
          </div>
        ) : o.emails.length === 0 ? (
          <Skeleton lines={9} />
        ) : (
          <div class="thread">
            <h1 class="subject">{subject || t('list.noSubject')}</h1>
            {o.emails.map((id) => (
              <Message key={id} id={id} unfolded={o.unfolded.has(id)} alone={o.emails.length === 1} />
            ))}
          </div>
        )}
      </div>
      <LinkStatus />
    </>
  );
}
