// The page: the login or the mail, and what lies over either.

import { useEffect } from 'preact/hooks';
import { helpOpen } from '../keys.ts';
import { ComposersView, composers, settingsTab, SettingsView } from '../open.ts';
import { auth } from '../state/app.ts';
import { Questions } from '../ui/dialog.tsx';
import { Toasts } from '../ui/toast.tsx';
import { Help } from './help.tsx';
import { Login } from './login.tsx';
import { Shell } from './shell.tsx';

export function App() {
  const Composers = ComposersView.value;
  const Settings = SettingsView.value;
  const inside = auth.value === 'in';
  useEffect(() => {
    if (auth.value === 'out') document.title = 'Depesche';
  }, [auth.value]);
  return (
    <>
      {inside && <Shell />}
      {auth.value === 'out' && <Login />}
      {inside && Composers && composers.value.length > 0 && <Composers />}
      {inside && Settings && settingsTab.value && <Settings />}
      {inside && helpOpen.value && <Help />}
      <Questions />
      <Toasts />
    </>
  );
}
