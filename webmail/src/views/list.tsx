// The list: its head, the rows, and what can be done with those that are ticked.

import type { VNode } from 'preact';
import { useCallback, useEffect, useRef } from 'preact/hooks';
import { longDate, shortDate, t } from '../i18n/index.ts';
import type { Key } from '../i18n/index.ts';
import { shortcutText } from '../keys.ts';
import type { EmailAddress, Id } from '../jmap/types.ts';
import { snippetPieces } from '../mail/search.ts';
import { openComposer } from '../open.ts';
import { archive, isFlagged, junk, markRead, remove, toggleFlag } from '../state/actions.ts';
import { isMe } from '../state/app.ts';
import { emailOf } from '../state/emails.ts';
import { reportError } from '../state/errors.ts';
import {
  cursor, cursorIndex, ensureRows, here, list, openList, rowEmails, selectAll, selected, selectNone,
  showsRecipients, toggleSelected,
} from '../state/list.ts';
import { mailboxName } from '../state/mailboxes.ts';
import { go } from '../state/route.ts';
import { compact } from '../state/settings.ts';
import { isOpen, wholeEmail } from '../state/thread.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { Virtual } from '../ui/virtual.tsx';
import { beginDrag, endDrag } from './drag.ts';
import { openMove } from './move.tsx';
import { SearchTerms } from './search.tsx';

/** Opens a row: its conversation, or the composer for a draft. */
export function openRowOf(id: Id, replace = false): void {
  cursor.value = id;
  const e = emailOf(id);
  if (e?.keywords.$draft && here.value?.role === 'drafts') {
    wholeEmail(id).then((email) => openComposer({ kind: 'draft', email }), reportError);
    return;
  }
  go({ open: list.value.collapse || list.value.search !== null ? (e?.threadId ?? id) : id }, replace);
}

export function shortName(a: EmailAddress | undefined): string {
  if (!a) return '';
  if (isMe(a.email)) return t('list.me');
  return a.name?.trim() || a.email;
}

function firstName(a: EmailAddress): string {
  if (isMe(a.email)) return t('list.me');
  const name = a.name?.trim();
  if (!name || name.includes('@')) return a.email.split('@')[0]!;
  return name.includes(',') ? name.split(',')[1]!.trim() || name : name.split(/\s+/)[0]!;
}

/** Who is in the conversation, first names when there are several. */
function people(id: Id): string {
  const e = emailOf(id);
  if (!e) return '';
  if (showsRecipients.value) {
    const to = e.to ?? [];
    return to.length ? t('list.to', { names: to.map(shortName).join(', ') }) : t('list.noRecipient');
  }
  const senders = new Map<string, EmailAddress>();
  for (const one of rowEmails(id)) {
    const from = emailOf(one)?.from?.[0];
    if (from && !emailOf(one)?.keywords?.$draft) senders.set(from.email.toLowerCase(), from);
  }
  if (senders.size > 1) return [...senders.values()].map(firstName).join(', ');
  const from = [...senders.values()][0] ?? e.from?.[0];
  return from ? shortName(from) : t('list.noSender');
}

function Hits({ text }: { text: string }) {
  return (
    <>
      {snippetPieces(text).map((p, i) => (p.hit ? <mark key={i}>{p.text}</mark> : p.text))}
    </>
  );
}

interface RowProps {
  id: Id | undefined;
  index: number;
}

function Row({ id, index }: RowProps) {
  const e = emailOf(id);
  if (!id || !e || e.preview === undefined)
    return (
      <div class="row row-bones" role="row" aria-rowindex={index + 1} aria-busy="true">
        <div role="gridcell" class="row-main">
          <span class="bone" />
          <span class="bone bone-1" />
          <span class="bone bone-2" />
        </div>
      </div>
    );
  const emails = rowEmails(id);
  const inList = list.value.mailbox;
  const unread = emails.some((one) => {
    const k = emailOf(one);
    return k && !k.keywords.$seen && (!inList || k.mailboxIds[inList]);
  });
  const flagged = isFlagged(id);
  const ticked = selected.value.has(id);
  const active = cursor.value === id;
  const opened = isOpen(id);
  const snippet = list.value.search !== null ? list.value.snippets.get(id) : undefined;
  const draft = emails.some((one) => emailOf(one)?.keywords.$draft);
  const states: Key[] = [];
  if (unread) states.push('list.unread');
  if (flagged) states.push('list.flagged');
  return (
    <div
      class={`row${unread ? ' unread' : ''}${ticked ? ' ticked' : ''}${active ? ' active' : ''}${opened ? ' opened' : ''}`}
      role="row"
      id={`row-${id}`}
      aria-rowindex={index + 1}
      aria-selected={ticked}
      draggable
      onDragStart={(d) => {
        const ids = ticked ? [...selected.value] : [id];
        beginDrag(d, { kind: 'rows', ids }, t('done.drag', { n: ids.length }));
      }}
      onDragEnd={endDrag}
      onClick={(c) => {
        if (c.shiftKey || c.ctrlKey || c.metaKey) {
          c.preventDefault();
          getSelection()?.removeAllRanges();
          toggleSelected(id, c.shiftKey);
        } else openRowOf(id);
      }}
    >
      <div role="gridcell" class="row-tick">
        <button
          type="button"
          tabIndex={-1}
          class="tick"
          role="checkbox"
          aria-checked={ticked}
          aria-label={t('list.select')}
          onClick={(c) => {
            c.stopPropagation();
            toggleSelected(id, c.shiftKey);
          }}
        >
          <Icon name="check" />
        </button>
      </div>
      <div role="gridcell" class="row-main">
        <span class="row-line">
          <span class="row-people">
            {states.length > 0 && <span class="unseen">{states.map((s) => t(s)).join(', ')}: </span>}
            {people(id)}
          </span>
          {draft && !showsRecipients.value && <span class="tag">{t('reader.draft')}</span>}
          {emails.length > 1 && (
            <span class="row-number" title={t('list.inThread', { n: emails.length })}>
              {emails.length}
              <span class="unseen"> {t('list.inThread', { n: emails.length })}</span>
            </span>
          )}
          {e.keywords.$answered && (
            <span class="row-mark" title={t('list.answered')}>
              <Icon name="reply" />
              <span class="unseen">{t('list.answered')}</span>
            </span>
          )}
          {e.hasAttachment && (
            <span class="row-mark" title={t('list.attachment')}>
              <Icon name="attach" />
              <span class="unseen">{t('list.attachment')}</span>
            </span>
          )}
          <time class="row-date" dateTime={e.receivedAt} title={longDate(e.receivedAt)}>
            {shortDate(e.receivedAt)}
          </time>
        </span>
        <span class="row-line">
          <span class="row-subject">
            {snippet?.subject ? <Hits text={snippet.subject} /> : e.subject || t('list.noSubject')}
          </span>
        </span>
        <span class="row-preview">{snippet?.preview ? <Hits text={snippet.preview} /> : e.preview}</span>
      </div>
      <div role="gridcell" class="row-flag">
        <button
          type="button"
          tabIndex={-1}
          class={`flag${flagged ? ' on' : ''}`}
          aria-pressed={flagged}
          aria-label={t(flagged ? 'act.unflag' : 'act.flag')}
          title={t(flagged ? 'act.unflag' : 'act.flag')}
          onClick={(c) => {
            c.stopPropagation();
            void toggleFlag([id]);
          }}
        >
          <Icon name="star" filled={flagged} />
        </button>
      </div>
    </div>
  );
}

/** What can be done with the ticked rows, or with those given. */
export function Actions({ rows }: { rows?: Id[] }) {
  const role = here.value?.role;
  const move = useRef<HTMLButtonElement>(null);
  const forever = role === 'trash' || role === 'junk';
  return (
    <>
      {role !== 'archive' && (
        <IconButton icon="archive" label={t('act.archive')} shortcut={shortcutText('archive')} onClick={() => void archive(rows)} />
      )}
      <IconButton
        icon={role === 'junk' ? 'inbox' : 'junk'}
        label={t(role === 'junk' ? 'act.notJunk' : 'act.junk')}
        shortcut={shortcutText('junk')}
        onClick={() => void junk(rows)}
      />
      <IconButton
        icon="trash"
        label={t(forever ? 'act.deleteForever' : 'act.delete')}
        shortcut={shortcutText('delete')}
        onClick={() => void remove(rows)}
      />
      <IconButton
        buttonRef={move}
        icon="move"
        label={t('act.move')}
        shortcut={shortcutText('move')}
        haspopup="menu"
        onClick={() => openMove(move.current!, rows)}
      />
    </>
  );
}

function Selection() {
  const n = selected.value.size;
  return (
    <div class="list-bar" role="toolbar" aria-label={t('list.selected', { n })}>
      <IconButton icon="close" label={t('list.selectNone')} onClick={selectNone} />
      <strong class="list-bar-count">{t('list.selected', { n })}</strong>
      <Actions />
      <Menu
        icon="more"
        label={t('act.more')}
        items={() => [
          { label: t('act.read'), icon: 'read', hint: '⇧I', run: () => void markRead() },
          { label: t('act.unread'), icon: 'unread', hint: '⇧U', run: () => void markRead(undefined, false) },
          { label: t('act.flag'), icon: 'star', hint: 's', run: () => void toggleFlag() },
          { label: t('list.selectAll'), icon: 'all', separate: true, run: selectAll },
        ]}
      />
    </div>
  );
}

function Head() {
  const l = list.value;
  const box = here.value;
  if (selected.value.size) return <Selection />;
  const search = l.search !== null;
  const n = l.ids.length;
  return (
    <div class="list-bar">
      <h1 class="list-title">{search ? t('list.results') : box ? mailboxName(box) : ''}</h1>
      <span class="list-count" role="status">
        {l.loaded && (search ? t('list.found', { n }) : t(l.collapse ? 'list.count' : 'list.messages', { n }))}
      </span>
      {!search && (
        <IconButton
          icon="filter"
          label={t(l.unreadOnly ? 'list.filterAll' : 'list.filterUnread')}
          pressed={l.unreadOnly}
          onClick={() =>
            void openList({ mailbox: l.mailbox, search: null, unreadOnly: !l.unreadOnly }).catch(reportError)
          }
        />
      )}
    </div>
  );
}

function Empty() {
  const l = list.value;
  if (l.failed)
    return (
      <div class="empty" role="alert">
        <Icon name="warning" />
        <p>{t('list.failed')}</p>
        <Button onClick={() => void openList(l).catch(reportError)}>{t('retry')}</Button>
      </div>
    );
  const text = l.search !== null ? 'list.emptySearch' : here.value?.role === 'inbox' && !l.unreadOnly ? 'list.emptyInbox' : 'list.empty';
  return (
    <div class="empty">
      <Icon name={l.search !== null ? 'search' : 'inbox'} />
      <p>{t(text)}</p>
    </div>
  );
}

const BONES = 14;

export function ListPane() {
  const l = list.value;
  const range = useCallback((first: number, last: number) => {
    ensureRows(first, last).catch(reportError);
  }, [l.key]);
  // The same element again is not drawn again: while scrolling only new rows cost anything.
  const drawn = useRef(new Map<string, VNode>());
  const row = (i: number) => {
    const id = l.ids[i];
    const key = `${l.key} ${i} ${id ?? ''}`;
    let node = drawn.current.get(key);
    if (!node) {
      if (drawn.current.size > 400) drawn.current.clear();
      node = <Row key={id ?? `hole-${i}`} id={id} index={i} />;
      drawn.current.set(key, node);
    }
    return node;
  };
  const scroller = useRef<HTMLDivElement>(null);
  useEffect(() => {
    scroller.current?.setAttribute('id', 'list');
  });
  const label = l.search !== null ? t('list.results') : t('list.label', { name: here.value ? mailboxName(here.value) : '' });
  const rows = l.loaded ? l.ids.length : l.failed ? 0 : BONES;
  const keyDown = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const last = l.ids.length - 1;
    const to =
      e.key === 'ArrowDown' ? cursorIndex.value + 1
      : e.key === 'ArrowUp' ? Math.max(0, cursorIndex.value - 1)
      : e.key === 'Home' ? 0
      : e.key === 'End' ? last
      : e.key === ' ' ? cursorIndex.value
      : -1;
    if (to < 0 || to > last) return;
    e.preventDefault();
    if (e.key === ' ') {
      if (cursor.value) toggleSelected(cursor.value);
      return;
    }
    const id = l.ids[to];
    if (id === undefined) {
      void ensureRows(to, to + 1).then(() => (cursor.value = list.value.ids[to] ?? cursor.value), reportError);
      scroller.current!.scrollTop = to * rowHeight();
      return;
    }
    cursor.value = id;
    if (e.shiftKey) toggleSelected(id, true);
  };
  return (
    <>
      <Head />
      {l.search !== null && <SearchTerms />}
      {rows === 0 ? (
        <Empty />
      ) : (
        <Virtual
          class="rows"
          role="grid"
          label={label}
          multiselectable
          count={rows}
          rowHeight={rowHeight()}
          resetKey={l.key}
          {...(cursorIndex.value >= 0 ? { focus: cursorIndex.value } : {})}
          {...(cursor.value ? { activeId: `row-${cursor.value}` } : {})}
          onRange={range}
          onKeyDown={keyDown}
          scrollRef={scroller}
          row={row}
        />
      )}
    </>
  );
}

/** As --row in tokens.css. */
function rowHeight(): number {
  return compact.value ? 60 : 76;
}
