// The page: the login or the mail, and what lies over either.

import { useEffect } from 'preact/hooks';
import { helpOpen } from '../keys.ts';
import { ComposersView, composers, settingsTab, SettingsView } from '../open.ts';
import { auth, ended } from '../state/app.ts';
import { Questions } from '../ui/dialog.tsx';
import { Toasts } from '../ui/toast.tsx';
import { Help } from './help.tsx';
import { Login } from './login.tsx';
import { loadReader, Shell } from './shell.tsx';

export function App() {
  const Composers = ComposersView.value;
  const Settings = SettingsView.value;
  // When the session ends by itself, what was being written waits behind the login.
  const asleep = auth.value === 'out' && ended.value;
  const inside = auth.value === 'in' || asleep;
  useEffect(() => {
    if (auth.value === 'out') loadReader();
  }, [auth.value]);
  return (
    <>
      {auth.value === 'out' && <Login />}
      {inside && (
        <div class={asleep ? 'asleep' : 'awake'} inert={asleep}>
          <Shell />
          {Composers && composers.value.length > 0 && <Composers />}
          {Settings && settingsTab.value && <Settings />}
          {helpOpen.value && !asleep && <Help />}
        </div>
      )}
      <Questions />
      <Toasts />
    </>
  );
}
