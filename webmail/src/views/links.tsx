// Links in mail: where they lead is shown before they open, and asked about when the text says
// something else.

import { signal } from '@preact/signals';
import { t } from '../i18n/index.ts';
import { checkLink } from '../mail/checks.ts';
import { openComposer } from '../open.ts';
import { ask } from '../ui/dialog.tsx';

/** The target of the link under the pointer or the focus; shown at the foot of the page. */
export const linkTarget = signal('');

export function LinkStatus() {
  return linkTarget.value ? <div class="link-status">{linkTarget.value}</div> : null;
}

/** Follows a link of a mail; asks first when its text names another place. */
export async function followLink(url: string, text: string): Promise<void> {
  if (/^mailto:/i.test(url)) {
    await openComposer({ kind: 'new', mailto: url });
    return;
  }
  const link = checkLink(url, text);
  if (link.differs || link.idn) {
    const sure = await ask({
      title: t('link.title'),
      confirm: t('link.open'),
      danger: true,
      text: (
        <>
          <p>{link.differs ? t('link.differs', { text: link.differs }) : t('link.plain')}</p>
          <p class="link-url">{url}</p>
          {link.idn && <p class="warn">{t('link.idn', { host: link.idn })}</p>}
        </>
      ),
    });
    if (!sure) return;
  }
  if (/^https?:|^tel:/i.test(url)) window.open(url, '_blank', 'noopener,noreferrer');
}

/** Properties of an <a> in our own page. */
export function linkProps(url: string, text: string) {
  return {
    href: url,
    target: '_blank',
    rel: 'noopener noreferrer nofollow',
    onClick: (e: Event) => {
      e.preventDefault();
      void followLink(url, text);
    },
    onMouseEnter: () => (linkTarget.value = url),
    onMouseLeave: () => (linkTarget.value = ''),
    onFocus: () => (linkTarget.value = url),
    onBlur: () => (linkTarget.value = ''),
  };
}
