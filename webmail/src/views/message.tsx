// One message of a conversation: who, to whom, whether that is true, the text and what hangs on it.

import { useState } from 'preact/hooks';
import { formatSize, longDate, shortDate, t } from '../i18n/index.ts';
import type { Key } from '../i18n/index.ts';
import type { Email, EmailAddress, Id } from '../jmap/types.ts';
import { phishingHints, verdict } from '../mail/checks.ts';
import type { Hint, Verdict } from '../mail/checks.ts';
import { openComposer } from '../open.ts';
import { flagEmail } from '../state/actions.ts';
import { client, domain, isMe, own } from '../state/app.ts';
import { bodyOf, emailOf } from '../state/emails.ts';
import { mailboxes } from '../state/mailboxes.ts';
import { bodiesVersion, unfold } from '../state/thread.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import type { MenuItem } from '../ui/menu.tsx';
import { Skeleton } from '../ui/skeleton.tsx';
import { Attachments, FetchedText } from './attachments.tsx';
import { Body, hasHtml } from './body.tsx';
import { shortName } from './list.tsx';
import { followLink } from './links.tsx';

/** A colour for a sender, always the same one. */
function hue(email: string): number {
  let h = 0;
  for (const c of email.toLowerCase()) h = (h * 31 + c.codePointAt(0)!) % 8;
  return h;
}

function initial(a: EmailAddress | undefined): string {
  return [...(a?.name?.trim() || a?.email || '?')].find((c) => /[\p{L}\p{N}]/u.test(c))?.toUpperCase() ?? '?';
}

function Names({ list }: { list: EmailAddress[] }) {
  return (
    <>
      {list.map((a, i) => (
        <span key={i} class="address">
          {a.name && <b>{a.name} </b>}
          <span>{a.name ? `<${a.email}>` : a.email}</span>
          {i < list.length - 1 && ', '}
        </span>
      ))}
    </>
  );
}

function recipients(e: Email): string {
  const all = [...(e.to ?? []), ...(e.cc ?? [])];
  if (all.length === 0) return '';
  if (all.length === 1 && isMe(all[0]!.email)) return t('reader.toMe');
  const names = all.slice(0, 3).map((a) => (isMe(a.email) ? t('list.me') : shortName(a)));
  const shown = t('reader.toNames', { names: names.join(', ') });
  return all.length > 3 ? t('reader.andMore', { names: shown, n: all.length - 3 }) : shown;
}

function verdictText(v: Verdict): string {
  switch (v.result) {
    case 'pass':
      return t('auth.pass', { domain: v.domain });
    case 'other':
      return t('auth.passOther', { domain: v.domain });
    case 'fail':
      return t('auth.fail', { domain: v.domain });
    case 'none':
      return t('auth.none');
    case 'local':
      return t('auth.local');
    case 'unchecked':
      return `${t('auth.unchecked')}. ${t('auth.uncheckedText')}`;
  }
}

function hintText(h: Hint): string {
  switch (h.kind) {
    case 'name':
      return t('phish.name', { shown: h.shown, real: h.real });
    case 'replyTo':
      return t('phish.replyTo', { reply: h.reply });
    case 'lookalike':
      return t('phish.lookalike', { domain: h.domain, like: h.like });
    case 'mixed':
      return t('phish.mixed', { domain: h.domain });
    case 'me':
      return t('phish.me');
  }
}

function Details({ e, v }: { e: Email; v: Verdict }) {
  const rows: [string, EmailAddress[] | null | undefined][] = [
    [t('reader.from'), e.from],
    [t('reader.to'), e.to],
    [t('reader.cc'), e.cc],
    [t('reader.bcc'), e.bcc],
    [t('reader.replyTo'), e.replyTo],
  ];
  return (
    <dl class="details">
      {rows.map(([label, list]) =>
        list?.length ? (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <Names list={list} />
            </dd>
          </div>
        ) : null,
      )}
      <div>
        <dt>{t('reader.date')}</dt>
        <dd>{longDate(e.sentAt ?? e.receivedAt)}</dd>
      </div>
      <div>
        <dt>{t('reader.size')}</dt>
        <dd>{formatSize(e.size)}</dd>
      </div>
      <div>
        <dt>{t('auth.label')}</dt>
        <dd>{verdictText(v)}</dd>
      </div>
    </dl>
  );
}

function Badge({ v }: { v: Verdict }) {
  const good = v.result === 'pass' || v.result === 'local';
  const words: Record<Verdict['result'], Key> = {
    pass: 'auth.short.pass',
    local: 'auth.short.pass',
    fail: 'auth.short.fail',
    other: 'auth.short.none',
    none: 'auth.short.none',
    unchecked: 'auth.unchecked',
  };
  return (
    <span class={`badge ${good ? 'good' : v.result === 'fail' ? 'danger' : ''}`} title={verdictText(v)}>
      <Icon name={good ? 'shield' : 'shieldoff'} />
      {t(words[v.result])}
    </span>
  );
}

function fileName(subject: string | null): string {
  // eslint-disable-next-line no-control-regex
  const name = (subject ?? '').replace(/[\u0000-\u001f\\/:*?"<>|]+/g, ' ').trim().slice(0, 80);
  return `${name || 'message'}.eml`;
}

function Opened({ e, onSource, asText, setAsText }: { e: Email; onSource: () => void; asText: boolean; setAsText: (on: boolean) => void }) {
  const [details, setDetails] = useState(false);
  const v = verdict(e['header:Authentication-Results:asText:all'], own.value?.host ?? '', e.from?.[0]);
  const unsubscribe = e['header:List-Unsubscribe:asURLs']?.find((u) => /^https:/i.test(u)) ?? e['header:List-Unsubscribe:asURLs']?.[0];
  const hints = phishingHints(e, { domain: domain.value, isMe, isList: !!unsubscribe }, v);
  const draft = !!e.keywords.$draft;
  // What lies among the sent or the drafts was put there by the user.
  const mine = draft || Object.keys(e.mailboxIds).some((box) => mailboxes.value.get(box)?.role === 'sent');
  const items = (): MenuItem[] => {
    const all: MenuItem[] = [
      { label: t('act.print'), icon: 'print', run: () => print() },
      { label: t('act.source'), icon: 'source', run: onSource },
      {
        label: t('act.eml'),
        icon: 'download',
        run: () => {
          const a = document.createElement('a');
          a.href = client.downloadUrl(e.blobId, fileName(e.subject), 'message/rfc822');
          a.download = fileName(e.subject);
          a.click();
        },
      },
    ];
    if (hasHtml(e)) all.push({ label: t(asText ? 'reader.asHtml' : 'reader.asText'), icon: 'file', separate: true, run: () => setAsText(!asText) });
    if (unsubscribe) all.push({ label: t('reader.unsubscribe'), icon: 'close', run: () => void followLink(unsubscribe, '') });
    return all;
  };
  return (
    <>
      <div class="message-to">
        <button type="button" class="linkish" aria-expanded={details} onClick={() => setDetails(!details)}>
          {recipients(e) || t('reader.details')}
          <Icon name={details ? 'up' : 'down'} />
        </button>
        {!mine && <Badge v={v} />}
        <span class="message-tools">
          {draft ? (
            <Button icon="edit" onClick={() => void openComposer({ kind: 'draft', email: e })}>{t('act.edit')}</Button>
          ) : (
            <>
              <IconButton icon="reply" label={t('act.reply')} shortcut="r" onClick={() => void openComposer({ kind: 'reply', email: e })} />
              <IconButton icon="replyall" label={t('act.replyAll')} shortcut="a" onClick={() => void openComposer({ kind: 'replyAll', email: e })} />
              <IconButton icon="forward" label={t('act.forward')} shortcut="f" onClick={() => void openComposer({ kind: 'forward', email: e })} />
            </>
          )}
          <Menu icon="more" label={t('act.more')} items={items} />
        </span>
      </div>
      {details && <Details e={e} v={v} />}
      {v.result === 'fail' && <p class="notice notice-danger"><Icon name="warning" />{verdictText(v)}</p>}
      {hints.map((h) => (
        <p key={h.kind} class="notice notice-warn"><Icon name="warning" />{hintText(h)}</p>
      ))}
      <Body email={e} asText={asText} />
      <Attachments email={e} />
    </>
  );
}

export function Message({ id, unfolded, alone }: { id: Id; unfolded: boolean; alone: boolean }) {
  const [source, setSource] = useState(false);
  const [asText, setAsText] = useState(false);
  void bodiesVersion.value;
  const e = emailOf(id);
  const whole = bodyOf(id);
  if (!e) return null;
  const from = e.from?.[0];
  const flagged = !!e.keywords.$flagged;
  const head = (
    <>
      <span class={`avatar hue-${hue(from?.email ?? '')}`} aria-hidden="true">
        {initial(from)}
      </span>
      <span class="message-from">
        <b>{from ? from.name || from.email : t('list.noSender')}</b>
        {unfolded && from?.name && <span class="message-address">{from.email}</span>}
        {!unfolded && <span class="message-preview">{e.preview ?? whole?.preview ?? ''}</span>}
      </span>
      {e.keywords.$draft && <span class="tag">{t('reader.draft')}</span>}
      <time dateTime={e.receivedAt} title={longDate(e.receivedAt)}>
        {unfolded ? longDate(e.receivedAt) : shortDate(e.receivedAt)}
      </time>
    </>
  );
  return (
    <article class={`message${unfolded ? ' unfolded' : ''}`} aria-label={from ? from.name || from.email : t('list.noSender')}>
      <header class="message-head">
        {alone ? (
          <div class="message-line">{head}</div>
        ) : (
          <button type="button" class="message-line" aria-expanded={unfolded} onClick={() => void unfold(id, !unfolded)}>
            {head}
          </button>
        )}
        {unfolded && (
          <IconButton
            icon="star"
            filled={flagged}
            class={`flag${flagged ? ' on' : ''}`}
            label={t(flagged ? 'act.unflag' : 'act.flag')}
            pressed={flagged}
            onClick={() => void flagEmail(id, !flagged)}
          />
        )}
      </header>
      {unfolded && (whole ? <Opened e={whole} onSource={() => setSource(true)} asText={asText} setAsText={setAsText} /> : <Skeleton lines={6} />)}
      {source && whole && (
        <Dialog title={t('reader.sourceTitle')} size="full" onClose={() => setSource(false)}>
          <FetchedText from={client.downloadUrl(whole.blobId, 'message.eml', 'message/rfc822')} />
        </Dialog>
      )}
    </article>
  );
}
