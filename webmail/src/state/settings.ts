// The user's settings: kept on the server (Settings/set), applied at once, rolled back when the
// server refuses. Language and theme are also kept by the browser, for the login page.

import { computed, effect, signal } from '@preact/signals';
import { browserLanguage, language } from '../i18n/index.ts';
import type { Language } from '../i18n/index.ts';
import type { Settings } from '../jmap/types.ts';
import { client } from './app.ts';
import { reportError } from './errors.ts';

export const settings = signal<Settings>({});

export type Theme = 'light' | 'dark' | null;
const KEEP = 'depesche';

function kept(): { language?: Language; theme?: Theme } {
  try {
    return JSON.parse(localStorage.getItem(KEEP) ?? '{}') as ReturnType<typeof kept>;
  } catch {
    return {};
  }
}

/** What the user chose; without it the browser's wish counts. */
const chosen = signal<Language | null>(kept().language ?? null);

/** On the login page, where there are no settings yet. */
export function chooseLanguage(l: Language): void {
  chosen.value = l;
  language.value = l;
}

export const theme = signal<Theme>(kept().theme ?? null);
export const conversations = computed(() => settings.value.conversations ?? true);
export const compact = computed(() => settings.value.density === 'compact');
export const undoSeconds = computed(() => settings.value.undoSeconds ?? 10);

/** Takes what the server keeps. */
export function takeSettings(s: Settings): void {
  settings.value = s;
  language.value = s.language ?? kept().language ?? browserLanguage();
  if (s.language) chosen.value = s.language;
  theme.value = s.theme ?? null;
}

/** Changes some settings, here at once and on the server. */
export async function changeSettings(patch: Settings): Promise<boolean> {
  const before = settings.value;
  takeSettings({ ...before, ...patch });
  try {
    await client.call('Settings/set', { patch });
    return true;
  } catch (e) {
    takeSettings(before);
    reportError(e, () => void changeSettings(patch));
    return false;
  }
}

/** Applies language and theme to the page, now and on each change. */
export function applySettings(): void {
  language.value = kept().language ?? language.value;
  effect(() => {
    document.documentElement.lang = language.value;
    document.cookie = `lang=${language.value}; path=/; max-age=31536000; secure; samesite=strict`;
    if (theme.value) document.documentElement.dataset.theme = theme.value;
    else delete document.documentElement.dataset.theme;
    try {
      localStorage.setItem(KEEP, JSON.stringify({ language: chosen.value ?? undefined, theme: theme.value }));
    } catch {
      // a browser that keeps nothing: the server does
    }
  });
  effect(() => {
    document.documentElement.dataset.density = compact.value ? 'compact' : 'cosy';
  });
}
