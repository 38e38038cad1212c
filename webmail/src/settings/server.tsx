// The way to the page with the server's details.

import { address, own } from '../state/app.ts';
import { Icon } from '../ui/icon.tsx';
import { s } from './words.ts';

export function ServerTab() {
  return (
    <div class="narrow">
      <p class="intro">{s('server.intro')}</p>
      <dl class="facts">
        <div><dt>{s('server.host')}</dt><dd>{own.value?.host}</dd></div>
        <div><dt>{s('server.user')}</dt><dd>{address.value}</dd></div>
      </dl>
      <a class="button button-plain" href="/" target="_blank" rel="noopener">
        <Icon name="server" />
        {s('server.open')}
      </a>
    </div>
  );
}
