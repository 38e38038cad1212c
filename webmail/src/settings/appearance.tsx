// Language, theme and how list and composer behave; each change is kept at once.

import type { ComponentChildren } from 'preact';
import { language } from '../i18n/index.ts';
import { changeSettings, compact, conversations, settings, theme, undoSeconds } from '../state/settings.ts';
import { IconButton } from '../ui/button.tsx';
import { s } from './words.ts';

interface Choice<T> {
  value: T;
  label: string;
  lang?: string;
}

function Choices<T>({ name, label, value, of, onChange }: { name: string; label: string; value: T; of: Choice<T>[]; onChange: (v: T) => void }) {
  return (
    <fieldset class="choices">
      <legend>{label}</legend>
      {of.map((x) => (
        <label key={x.label} class="choice" lang={x.lang}>
          <input type="radio" name={name} checked={x.value === value} onChange={() => onChange(x.value)} />
          <span>{x.label}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Check({ checked, onChange, children }: { checked: boolean; onChange: (on: boolean) => void; children: ComponentChildren }) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(e) => onChange(e.currentTarget.checked)} />
      {children}
    </label>
  );
}

export function AppearanceTab() {
  const allowed = settings.value.imagesFrom ?? [];
  return (
    <div class="narrow">
      <Choices
        name="language"
        label={s('look.language')}
        value={language.value}
        of={[{ value: 'de' as const, label: 'Deutsch', lang: 'de' }, { value: 'en' as const, label: 'English', lang: 'en' }]}
        onChange={(v) => void changeSettings({ language: v })}
      />
      <Choices
        name="theme"
        label={s('look.theme')}
        value={theme.value}
        of={[
          { value: null, label: s('look.system') },
          { value: 'light' as const, label: s('look.light') },
          { value: 'dark' as const, label: s('look.dark') },
        ]}
        onChange={(v) => void changeSettings({ theme: v })}
      />
      <Choices
        name="density"
        label={s('look.density')}
        value={compact.value}
        of={[{ value: false, label: s('look.cosy') }, { value: true, label: s('look.compact') }]}
        onChange={(v) => void changeSettings({ density: v ? 'compact' : null })}
      />
      <h3>{s('look.list')}</h3>
      <Check checked={conversations.value} onChange={(on) => void changeSettings({ conversations: on ? null : false })}>
        {s('look.conversations')}
      </Check>
      <Check checked={settings.value.plainText === true} onChange={(on) => void changeSettings({ plainText: on || null })}>
        {s('look.plain')}
      </Check>
      <label class="field">
        <span>{s('look.undo')}</span>
        <select class="input" value={String(undoSeconds.value)} onChange={(e) => void changeSettings({ undoSeconds: Number(e.currentTarget.value) })}>
          {[0, 5, 10, 20, 30].map((n) => (
            <option key={n} value={String(n)}>{n ? s('look.seconds', { n }) : s('look.never')}</option>
          ))}
        </select>
      </label>
      <h3>{s('look.images')}</h3>
      {allowed.length === 0 && <p class="fine">{s('look.imagesNone')}</p>}
      <ul class="plain-list">
        {allowed.map((who) => (
          <li key={who}>
            <span>{who}</span>
            <IconButton icon="close" label={s('look.remove', { who })} onClick={() => void changeSettings({ imagesFrom: allowed.filter((x) => x !== who) })} />
          </li>
        ))}
      </ul>
    </div>
  );
}
