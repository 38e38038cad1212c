// Doors to what is loaded only when it is wanted: the composer (with its editor) and the settings.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import type { ComposeOptions } from './compose/options.ts';
import { reportError } from './state/errors.ts';
import type { SettingsTab } from './settings/options.ts';

/** The open composers; compose/index.tsx exports Composers, which shows them. */
export interface OpenComposer {
  id: number;
  options: ComposeOptions;
}
export const composers = signal<OpenComposer[]>([]);
let last = 0;

export function closeComposer(id: number): void {
  composers.value = composers.value.filter((c) => c.id !== id);
}

export const ComposersView = signal<ComponentType | null>(null);

/** Opens a composer window. */
export async function openComposer(options: ComposeOptions): Promise<void> {
  composers.value = [...composers.value, { id: ++last, options }];
  try {
    ComposersView.value ??= (await import('./compose/index.tsx')).Composers;
  } catch (e) {
    composers.value = [];
    reportError(e);
  }
}

/** The settings' tab that is shown, or null. */
export const settingsTab = signal<SettingsTab | null>(null);
export const SettingsView = signal<ComponentType | null>(null);

export async function openSettings(tab: SettingsTab = 'appearance'): Promise<void> {
  settingsTab.value = tab;
  try {
    SettingsView.value ??= (await import('./settings/index.tsx')).Settings;
  } catch (e) {
    settingsTab.value = null;
    reportError(e);
  }
}

export function closeSettings(): void {
  settingsTab.value = null;
}
