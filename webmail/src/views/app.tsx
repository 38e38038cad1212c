// The page: the login or the mail, and what lies over either.

import { ComposersView, composers, settingsTab, SettingsView } from '../open.ts';
import { auth } from '../state/app.ts';
import { Questions } from '../ui/dialog.tsx';
import { Toasts } from '../ui/toast.tsx';

export function App() {
  const Composers = ComposersView.value;
  const Settings = SettingsView.value;
  return (
    <>
      {auth.value === 'in' && Composers && composers.value.length > 0 && <Composers />}
      {auth.value === 'in' && Settings && settingsTab.value && <Settings />}
      <Questions />
      <Toasts />
    </>
  );
}
