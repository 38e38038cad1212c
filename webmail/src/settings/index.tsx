// The settings.

import { core } from '../i18n/index.ts';
import { closeSettings, settingsTab } from '../open.ts';
import { Dialog } from '../ui/dialog.tsx';

export function Settings() {
  return settingsTab.value ? (
    <Dialog title={core.t('settings')} size="large" onClose={closeSettings}>
      <p />
    </Dialog>
  ) : null;
}
