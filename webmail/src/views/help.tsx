// The table of shortcuts, as a dialog.

import { t } from '../i18n/index.ts';
import type { Key } from '../i18n/index.ts';
import { helpOpen, SHORTCUTS } from '../keys.ts';
import type { Shortcut } from '../keys.ts';
import { Dialog } from '../ui/dialog.tsx';

const GROUPS: [Shortcut['group'], Key][] = [
  ['moving', 'keys.moving'],
  ['acting', 'keys.acting'],
  ['other', 'keys.other'],
];

function Keys({ keys }: { keys: string }) {
  return (
    <>
      {keys.split(' ').map((k, i) => (
        <span key={i}>
          {i > 0 && <span class="then"> {t('keys.then')} </span>}
          <kbd>{k.replace('Shift+', '⇧ ').replace('Enter', '↵').replace('Escape', 'Esc').replace('Delete', t('keys.del'))}</kbd>
        </span>
      ))}
    </>
  );
}

export function Help() {
  const all = Object.values(SHORTCUTS) as Shortcut[];
  return (
    <Dialog title={t('keys.title')} size="large" onClose={() => (helpOpen.value = false)}>
      <div class="help">
        {GROUPS.map(([group, label]) => (
          <section key={group}>
            <h3>{t(label)}</h3>
            <dl>
              {all.filter((s) => s.group === group).map((s) => (
                <div key={s.label}>
                  <dt>{t(s.label)}</dt>
                  <dd>
                    {s.keys.map((k, i) => (
                      <span key={k}>
                        {i > 0 && ' '}
                        <Keys keys={k} />
                      </span>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
