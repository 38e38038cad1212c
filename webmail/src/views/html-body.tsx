// An HTML mail in its frame: same origin, so that we can put cleaned markup in and measure it, but
// without scripts and under a policy of its own (/mail/frame). Loaded with the first HTML mail.

import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import type { BodyPart, Email } from '../jmap/types.ts';
import { cleanHtml } from '../mail/html.ts';
import { PAPER } from '../mail/paper.ts';
import { client } from '../state/app.ts';
import { followLink, linkTarget } from './links.tsx';

// The browser tests put their payloads through the very one that is served.
export { cleanHtml };

export interface HtmlBodyProps {
  email: Email;
  remote: boolean;
  onBlocked: (n: number) => void;
}

/** All parts of a message that a cid: may mean. */
function partsOf(email: Email): BodyPart[] {
  const all: BodyPart[] = [...(email.attachments ?? [])];
  const walk = (p: BodyPart | undefined | null) => {
    if (!p) return;
    all.push(p);
    p.subParts?.forEach(walk);
  };
  walk(email.bodyStructure);
  return all;
}

function htmlOf(email: Email): string {
  return email.htmlBody
    .map((p) => {
      const value = (p.partId && email.bodyValues[p.partId]?.value) || '';
      if (p.type === 'text/html') return value;
      if (p.type.startsWith('text/')) return `<pre>${value.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</pre>`;
      return '';
    })
    .join('\n');
}

/** Quoted earlier mail folds, as in plain text. */
function foldQuotes(doc: Document): void {
  const quotes = doc.querySelectorAll('blockquote[type=cite], .gmail_quote, .moz-cite-prefix + blockquote, #divRplyFwdMsg ~ *');
  const first = [...quotes].find((q) => !q.closest('details') && q.tagName !== 'STYLE');
  if (!first || !first.parentNode) return;
  // A mail that is nothing but a quote (a forward, or an answer below it) stays open.
  const text = doc.body.innerText.trim();
  const quoted = (first as HTMLElement).innerText.trim();
  if (text.length - quoted.length < 2 || text.startsWith(quoted)) return;
  const details = doc.createElement('details');
  const summary = doc.createElement('summary');
  summary.textContent = '···';
  summary.title = t('reader.quote');
  summary.setAttribute('aria-label', t('reader.quote'));
  first.parentNode.insertBefore(details, first);
  details.append(summary, first);
}

export function HtmlBody({ email, remote, onBlocked }: HtmlBodyProps) {
  const frame = useRef<HTMLIFrameElement>(null);
  const [height, setHeight] = useState(160);
  const stop = useRef<() => void>(() => undefined);
  useEffect(() => () => stop.current(), []);

  const fill = () => {
    const doc = frame.current?.contentDocument;
    const view = frame.current?.contentWindow;
    if (!view || !doc?.body || doc.URL === 'about:blank') return;
    stop.current();
    const parts = partsOf(email);
    const clean = cleanHtml(htmlOf(email), {
      view,
      remote,
      cid: (id) => {
        const p = parts.find((x) => x.cid === id || x.cid === `<${id}>`);
        return p?.blobId ? client.downloadUrl(p.blobId, p.name ?? 'image', p.type) : null;
      },
    });
    onBlocked(clean.blocked);
    doc.documentElement.lang = document.documentElement.lang;
    doc.title = t('reader.frame');
    const style = doc.createElement('style');
    style.textContent = PAPER;
    doc.head.replaceChildren(style);
    doc.body.style.cssText = clean.bodyStyle;
    doc.body.innerHTML = clean.html;
    foldQuotes(doc);

    const measure = () => setHeight(Math.min(Math.max(doc.body.scrollHeight, doc.body.offsetHeight, 24) + 2, 60_000));
    const observer = new ResizeObserver(measure);
    observer.observe(doc.body);
    doc.addEventListener('load', measure, true);
    measure();
    const link = (e: Event) => (e.target as Element | null)?.closest?.('a[href]') as HTMLAnchorElement | null;
    const click = (e: MouseEvent) => {
      const a = link(e);
      if (!a) return;
      e.preventDefault();
      void followLink(a.getAttribute('href') ?? '', a.textContent ?? '');
    };
    const over = (e: Event) => (linkTarget.value = link(e)?.getAttribute('href') ?? '');
    const out = () => (linkTarget.value = '');
    // Shortcuts work while the focus is in the mail.
    const key = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.key === 'Tab' || (e.key === 'Enter' && link(e))) return;
      const { key: k, shiftKey } = e;
      document.body.dispatchEvent(new KeyboardEvent('keydown', { key: k, shiftKey, bubbles: true, cancelable: true }));
    };
    doc.addEventListener('click', click);
    doc.addEventListener('auxclick', click);
    doc.addEventListener('mouseover', over);
    doc.addEventListener('focusin', over);
    doc.addEventListener('mouseleave', out);
    doc.addEventListener('keydown', key);
    stop.current = () => {
      observer.disconnect();
      linkTarget.value = '';
    };
  };

  return (
    <iframe
      key={`${email.id}${remote}`}
      ref={frame}
      class="mail-frame"
      title={t('reader.frame')}
      src={remote ? '/mail/frame-remote' : '/mail/frame'}
      sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"
      referrerpolicy="no-referrer"
      style={{ height: `${height}px` }}
      onLoad={fill}
    />
  );
}
