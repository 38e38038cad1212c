// How full the mailbox is (RFC 9425), and where the messages lie.

import { formatNumber, formatSize, language } from '../i18n/index.ts';
import { client } from '../state/app.ts';
import { folderTree, mailboxes, mailboxName } from '../state/mailboxes.ts';
import { Icon } from '../ui/icon.tsx';
import { Show, useLoad } from './load.tsx';
import { s } from './words.ts';

export function StorageTab() {
  const loaded = useLoad(async () => (await client.call('Quota/get', { ids: null })).list);
  const folders = folderTree(mailboxes.value.values(), new Set(), language.value).filter((f) => f.mailbox.totalEmails > 0);
  return (
    <Show of={loaded}>
      {(list) => (
        <div class="narrow">
          {list.length === 0 && <p class="intro">{s('storage.noLimit')}</p>}
          {list.map((q) => {
            const text = (n: number) => (q.resourceType === 'octets' ? formatSize(n) : s('storage.messages', { n }));
            const part = q.hardLimit > 0 ? Math.min(1, q.used / q.hardLimit) : 0;
            return (
              <div key={q.id} class="quota">
                <p><b>{s('storage.used', { used: text(q.used), limit: text(q.hardLimit) })}</b></p>
                <progress class={part > 0.9 ? 'full' : ''} aria-label={s('storage.bar')} max={1} value={part} />
                <p class="fine">{s('storage.free', { free: text(Math.max(0, q.hardLimit - q.used)) })}</p>
                {part > 0.9 && <p class="notice notice-warn"><Icon name="warning" /><span>{s('storage.almost')}</span></p>}
              </div>
            );
          })}
          <h3>{s('storage.folders')}</h3>
          <ul class="plain-list">
            {folders.map((f) => (
              <li key={f.mailbox.id}>
                <span>{mailboxName(f.mailbox)}</span>
                <span class="count">{formatNumber(f.mailbox.totalEmails)}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </Show>
  );
}
