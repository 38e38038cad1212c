// The text of a message: HTML in its frame, or plain text with links and quotes that fold.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import type { Email } from '../jmap/types.ts';
import { groupQuotes, linkify, parseText } from '../mail/text.ts';
import type { Block } from '../mail/text.ts';
import { reportError } from '../state/errors.ts';
import { changeSettings, settings } from '../state/settings.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Skeleton } from '../ui/skeleton.tsx';
import type { HtmlBodyProps } from './html-body.tsx';
import { linkProps } from './links.tsx';

const HtmlBody = signal<ComponentType<HtmlBodyProps> | null>(null);

/** Fetches what HTML mail needs; called when there is nothing else to do. */
export function preloadHtml(): void {
  if (!HtmlBody.value) import('./html-body.tsx').then((m) => (HtmlBody.value = m.HtmlBody), reportError);
}

function Line({ text }: { text: string }) {
  return (
    <>
      {linkify(text).map((p, i) => ('url' in p ? <a key={i} {...linkProps(p.url, p.text)}>{p.text}</a> : p.text))}
    </>
  );
}

function Lines({ lines }: { lines: string[] }) {
  return (
    <>
      {lines.map((line, i) => (
        <span key={i}>
          {i > 0 && '\n'}
          <Line text={line} />
        </span>
      ))}
    </>
  );
}

function TextBlock({ block }: { block: Block }) {
  return (
    <div class={`text-${block.kind}${block.level ? ` level-${Math.min(block.level, 4)}` : ''}`}>
      <Lines lines={block.lines} />
    </div>
  );
}

const SHORT_QUOTE = 4;

function PlainBody({ text }: { text: string }) {
  const groups = groupQuotes(parseText(text));
  const only = groups.every((g) => g.kind === 'fold');
  return (
    <div class="plain">
      {groups.map((g, i) =>
        g.kind !== 'fold' ? (
          <TextBlock key={i} block={g} />
        ) : g.lines <= SHORT_QUOTE || only ? (
          g.blocks.map((b, k) => <TextBlock key={`${i}-${k}`} block={b} />)
        ) : (
          <details key={i} class="fold">
            <summary title={t('reader.quote')} aria-label={t('reader.quote')}>
              ···
            </summary>
            {g.blocks.map((b, k) => (
              <TextBlock key={k} block={b} />
            ))}
          </details>
        ),
      )}
    </div>
  );
}

export function hasHtml(email: Email): boolean {
  return email.htmlBody.some((p) => p.type === 'text/html');
}

function Html({ email }: { email: Email }) {
  const [blocked, setBlocked] = useState(0);
  const [once, setOnce] = useState(false);
  const sender = email.from?.[0]?.email.toLowerCase() ?? '';
  const trusted = settings.value.imagesFrom ?? [];
  const always = sender !== '' && trusted.includes(sender);
  useEffect(preloadHtml, []);
  const View = HtmlBody.value;
  const remote = once || always;
  return (
    <>
      {blocked > 0 && !remote && (
        <div class="notice notice-bar">
          <Icon name="image" />
          <p>{t('reader.images')}</p>
          <span class="notice-actions">
            <Button onClick={() => setOnce(true)}>{t('reader.showImages')}</Button>
            {sender && (
              <Button kind="quiet" onClick={() => void changeSettings({ imagesFrom: [...trusted, sender].slice(-1000) })}>
                {t('reader.alwaysImages', { sender })}
              </Button>
            )}
          </span>
        </div>
      )}
      {View ? <View key={String(remote)} email={email} remote={remote} onBlocked={setBlocked} /> : <Skeleton lines={5} />}
      {always && (
        <p class="fine">
          {t('reader.neverImages', { sender })}{' '}
          <button type="button" class="linkish" onClick={() => void changeSettings({ imagesFrom: trusted.filter((s) => s !== sender) })}>
            {t('reader.stopImages')}
          </button>
        </p>
      )}
    </>
  );
}

export function Body({ email, asText }: { email: Email; asText: boolean }) {
  const html = hasHtml(email) && !asText;
  const parts = (html ? email.htmlBody : email.textBody).flatMap((p) => (p.partId ? [email.bodyValues[p.partId]] : []));
  const text = email.textBody
    .filter((p) => p.type === 'text/plain' || !hasHtml(email))
    .map((p) => (p.partId && email.bodyValues[p.partId]?.value) || '')
    .join('\n');
  const empty = html ? parts.every((v) => !v?.value.trim()) : !text.trim();
  return (
    <div class="body">
      {html && !empty && <Html key={email.id} email={email} />}
      {!html && !empty && <PlainBody text={text} />}
      {empty && <p class="fine">{t('reader.empty')}</p>}
      {parts.some((v) => v?.isTruncated) && <p class="fine">{t('reader.truncated')}</p>}
      {parts.some((v) => v?.isEncodingProblem) && <p class="fine">{t('reader.encoding')}</p>}
    </div>
  );
}
