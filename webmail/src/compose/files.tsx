// The attachments of a message that is written: their names, how far they are, and the way back.

import { formatSize } from '../i18n/index.ts';
import { Icon } from '../ui/icon.tsx';
import { IconButton } from '../ui/button.tsx';
import { problemText } from './send.tsx';
import { sizeLimit } from './model.ts';
import type { Attachment, Draft } from './model.ts';
import { c } from './words.ts';

function Item({ a, draft }: { a: Attachment; draft: Draft }) {
  const running = !a.blobId && !a.error;
  return (
    <li class={`file${a.error ? ' bad' : ''}`}>
      <Icon name={a.error ? 'warning' : a.type.startsWith('image/') ? 'image' : 'file'} />
      <span class="file-name" title={a.name}>{a.name}</span>
      <span class="file-size">{formatSize(a.size)}</span>
      {a.error && <IconButton icon="refresh" label={c('file.retry', { name: a.name })} onClick={() => draft.retry(a.key)} />}
      <IconButton icon="close" label={c('file.remove', { name: a.name })} onClick={() => draft.remove(a.key)} />
      {running && <progress class="file-progress" max={1} value={a.progress} aria-label={c('file.progress', { name: a.name })} />}
      {a.error && <span class="file-error" role="alert">{c('file.failed', { why: problemText(a.error).replace(c('error.kept'), '').trim() })}</span>}
    </li>
  );
}

export function Files({ draft }: { draft: Draft }) {
  // Pictures in the text are seen there, unless they could not be uploaded.
  const shown = draft.attachments.value.filter((a) => !a.cid || a.error || !draft.rich.value);
  if (!shown.length) return null;
  const total = draft.total();
  const limit = sizeLimit();
  return (
    <div class="files">
      <ul aria-label={c('file.list')}>
        {shown.map((a) => <Item key={a.key} a={a} draft={draft} />)}
      </ul>
      {total > limit / 2 && <p class="fine">{c('file.total', { size: formatSize(total), limit: formatSize(limit) })}</p>}
    </div>
  );
}
