// The whole mailbox as a file.

import { Icon } from '../ui/icon.tsx';
import { s } from './words.ts';

export function ExportTab() {
  return (
    <div class="narrow">
      <p class="intro">{s('export.intro')}</p>
      {(['mbox', 'maildir'] as const).map((format) => (
        <div key={format} class="export">
          <a class="button button-plain" href={`/mail/export?format=${format}`} download>
            <Icon name="download" />
            {s(`export.${format}`)}
          </a>
          <p class="fine">{s(`export.${format}Text`)}</p>
        </div>
      ))}
      <p class="fine">{s('export.note')}</p>
    </div>
  );
}
