// The settings: a dialog with tabs, beside their content on wide windows, above it on phones.

import type { ComponentType } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { core } from '../i18n/index.ts';
import { closeSettings, settingsTab } from '../open.ts';
import { auth, own } from '../state/app.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import type { IconName } from '../ui/icon.tsx';
import { Toasts } from '../ui/toast.tsx';
import { AbsenceTab } from './absence.tsx';
import { AppearanceTab } from './appearance.tsx';
import { DeletedTab } from './deleted.tsx';
import { ExportTab } from './export.tsx';
import { IdentitiesTab } from './identities.tsx';
import { TABS } from './options.ts';
import type { SettingsTab } from './options.ts';
import { PasswordTab } from './password.tsx';
import { ServerTab } from './server.tsx';
import { SessionsTab } from './sessions.tsx';
import { StorageTab } from './storage.tsx';
import { WaitingTab } from './waiting.tsx';
import { s } from './words.ts';

const VIEWS: Record<SettingsTab, { icon: IconName; view: ComponentType }> = {
  password: { icon: 'key', view: PasswordTab },
  appearance: { icon: 'palette', view: AppearanceTab },
  identities: { icon: 'user', view: IdentitiesTab },
  absence: { icon: 'sun', view: AbsenceTab },
  sessions: { icon: 'device', view: SessionsTab },
  storage: { icon: 'box', view: StorageTab },
  deleted: { icon: 'undo', view: DeletedTab },
  waiting: { icon: 'clock', view: WaitingTab },
  export: { icon: 'download', view: ExportTab },
  server: { icon: 'server', view: ServerTab },
};

export function Settings() {
  const tab = settingsTab.value;
  const tabs = useRef<HTMLDivElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    panel.current?.scrollTo(0, 0);
    tabs.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [tab]);
  if (!tab || auth.value !== 'in') return null;
  const View = VIEWS[tab].view;
  // Where nothing can come back there is nothing to show.
  const tabsNow = TABS.filter((x) => x !== 'deleted' || (own.value?.undeleteDays ?? 14) > 0);
  const keyDown = (e: KeyboardEvent) => {
    const at = tabsNow.indexOf(tab);
    const next =
      e.key === 'ArrowDown' || e.key === 'ArrowRight' ? (at + 1) % tabsNow.length
      : e.key === 'ArrowUp' || e.key === 'ArrowLeft' ? (at + tabsNow.length - 1) % tabsNow.length
      : e.key === 'Home' ? 0
      : e.key === 'End' ? tabsNow.length - 1
      : -1;
    if (next < 0) return;
    e.preventDefault();
    settingsTab.value = tabsNow[next]!;
    document.getElementById(`tab-${tabsNow[next]!}`)?.focus();
  };
  return (
    <Dialog title={core.t('settings')} size="full" class="settings" onClose={closeSettings}>
      <div class="settings-box">
        <div ref={tabs} class="tabs" role="tablist" aria-label={s('tabs')} aria-orientation="vertical" onKeyDown={keyDown}>
          {tabsNow.map((x) => (
            <button
              key={x}
              type="button"
              role="tab"
              id={`tab-${x}`}
              class="tab"
              aria-selected={x === tab}
              aria-controls="tab-panel"
              tabIndex={x === tab ? 0 : -1}
              autofocus={x === tab}
              onClick={() => (settingsTab.value = x)}
            >
              <Icon name={VIEWS[x].icon} />
              {s(`tab.${x}`)}
            </button>
          ))}
        </div>
        <div ref={panel} class="tab-panel" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
          <h3 class="tab-title">{s(`tab.${tab}`)}</h3>
          <View key={tab} />
        </div>
      </div>
      <Toasts />
    </Dialog>
  );
}
