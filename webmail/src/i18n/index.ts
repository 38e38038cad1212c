// Words in German and English. A dictionary is made of two objects with the same keys; a text may
// have {names} to fill in, and a plural is an object with the forms that both languages know.
//
//   const { t } = dictionary(en, de);  t('list.selected', { n: 3 })

import { computed, signal } from '@preact/signals';
import { de } from './de.ts';
import { en } from './en.ts';

export type Language = 'de' | 'en';
export type Text = string | { one: string; other: string };
export type Words<K extends string = string> = Record<K, Text>;
export type Values = Record<string, string | number>;

/** The browser's wish, until the user chooses. */
export function browserLanguage(): Language {
  const wishes = typeof navigator === 'undefined' ? [] : navigator.languages;
  for (const wish of wishes) {
    if (wish.toLowerCase().startsWith('de')) return 'de';
    if (wish.toLowerCase().startsWith('en')) return 'en';
  }
  return 'en';
}

export const language = signal<Language>(browserLanguage());

const plurals = computed(() => new Intl.PluralRules(language.value));
const numbers = computed(() => new Intl.NumberFormat(language.value));

export function formatNumber(n: number): string {
  return numbers.value.format(n);
}

export function fill(text: Text, values: Values = {}): string {
  if (typeof text !== 'string') {
    const form = plurals.value.select(Number(values.n ?? 0));
    text = form === 'one' ? text.one : text.other;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? formatNumber(value) : value;
  });
}

export interface Dictionary<K extends string> {
  t(key: K, values?: Values): string;
  en: Words<K>;
  de: Words<K>;
}

/** All that were made: the tests look at each. */
export const dictionaries: Pick<Dictionary<string>, 'en' | 'de'>[] = [];

export function dictionary<K extends string>(english: Words<K>, german: Words<NoInfer<K>>): Dictionary<K> {
  const both = { en: english, de: german };
  const made = {
    t: (key: K, values?: Values) => fill(both[language.value][key], values),
    en: english,
    de: german,
  };
  dictionaries.push(made);
  return made;
}

export type Key = keyof typeof en;
export const core = dictionary<Key>(en, de);
export const t = core.t;

export * from './format.ts';
