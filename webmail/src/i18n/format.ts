// Dates and sizes as people of a language write them.

import { computed } from '@preact/signals';
import { formatNumber, language, t } from './index.ts';

/** The browser's own kind of the language: "en-GB" writes dates otherwise than "en-US". */
export const locale = computed(
  () => globalThis.navigator?.languages?.find((l) => l.slice(0, 2) === language.value) ?? language.value,
);

const format = (options: Intl.DateTimeFormatOptions) =>
  computed(() => new Intl.DateTimeFormat(locale.value, options));
const time = format({ hour: '2-digit', minute: '2-digit' });
const weekday = format({ weekday: 'short' });
const dayMonth = format({ day: 'numeric', month: 'short' });
const numeric = format({ day: '2-digit', month: '2-digit', year: 'numeric' });
const long = format({
  weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit',
});
const medium = format({ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });

const DAY = 86_400_000;

/** For a list: the time today, the weekday this week, the day this year, else the date. */
export function shortDate(iso: string, now = Date.now()): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return '';
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const at = date.getTime();
  if (at >= midnight && at < midnight + DAY) return time.value.format(date);
  if (at >= midnight - 5 * DAY && at < midnight) return weekday.value.format(date);
  if (at < now && date.getFullYear() === new Date(now).getFullYear()) return dayMonth.value.format(date);
  return numeric.value.format(date);
}

export function longDate(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? '' : long.value.format(date);
}

export function mediumDate(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? '' : medium.value.format(date);
}

export function clockTime(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? '' : time.value.format(date);
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

export function formatSize(bytes: number): string {
  let unit = 0;
  while (bytes >= 1000 && unit < UNITS.length - 1) {
    bytes /= 1000;
    unit++;
  }
  const digits = unit > 1 && bytes < 10 ? 1 : 0;
  const rounded = new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(bytes);
  return `${rounded} ${UNITS[unit]}`;
}

export function count(n: number): string {
  return n > 99_999 ? t('count.many') : formatNumber(n);
}
