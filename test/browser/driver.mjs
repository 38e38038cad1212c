// What all browser tests share: Debian's Chromium, a page that notes every request and complaint, and
// a small runner whose steps are told one by one.
import { createRequire } from 'node:module';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const require = createRequire(new URL('../clients/package.json', import.meta.url));
const { chromium } = require('playwright-core');

export const WINDOWS = {
  desktop: { width: 1440, height: 900 },
  tablet: { width: 900, height: 1100 },
  phone: { width: 390, height: 844 },
};

const artefacts = process.env.ARTEFACTS;

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      // Nothing leaves loopback, whatever a mail asks for.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
    ],
  });
}

/** A context with a page; `page.notes` has its requests, and what the console complained about. */
export async function openPage(browser, origin, { window = 'desktop', locale = 'de-DE', dark = false } = {}) {
  const context = await browser.newContext({
    baseURL: origin,
    viewport: WINDOWS[window],
    locale,
    timezoneId: 'Europe/Berlin',
    colorScheme: dark ? 'dark' : 'light',
    ignoreHTTPSErrors: true,
    hasTouch: window === 'phone',
    acceptDownloads: true,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.notes = { requests: [], complaints: [], foreign: [] };
  page.on('request', (r) => {
    const url = r.url();
    if (url.startsWith('data:') || url.startsWith('blob:')) return;
    page.notes.requests.push(`${r.method()} ${url.replace(origin, '')}`);
    if (!url.startsWith(origin)) page.notes.foreign.push(url);
  });
  page.on('console', (m) => {
    if (m.type() === 'error') page.notes.complaints.push(m.text());
  });
  page.on('pageerror', (e) => page.notes.complaints.push(String(e.stack ?? e)));
  return page;
}

export async function logIn(page, address, password) {
  await page.goto('/mail/');
  await page.locator('input[name=username]').fill(address);
  await page.locator('input[name=password]').fill(password);
  await page.locator('button[type=submit]').click();
  await page.locator('.shell').waitFor();
}

export async function shot(page, name) {
  if (!artefacts) return;
  if (!existsSync(artefacts)) mkdirSync(artefacts, { recursive: true });
  await page.screenshot({ path: join(artefacts, `${name}.png`) });
}

/** The serious findings of axe. */
export async function axe(page) {
  await page.evaluate(await import('node:fs').then((fs) => fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')));
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(' | ')}`);
}

export function assert(fact, message) {
  if (!fact) throw new Error(message);
}

export function assertEqual(is, wanted, message = 'not equal') {
  const a = JSON.stringify(is);
  const b = JSON.stringify(wanted);
  if (a !== b) throw new Error(`${message}: is ${a}, wanted ${b}`);
}

/** Waits until fact() is true. */
export async function until(fact, message, ms = 5000) {
  const end = Date.now() + ms;
  for (;;) {
    if (await fact()) return;
    if (Date.now() > end) throw new Error(`not in ${ms} ms: ${message}`);
    await new Promise((r) => setTimeout(r, 25));
  }
}

const steps = [];
export function step(name, run) {
  steps.push([name, run]);
}

/** Runs the steps (or those whose name has ONLY in it), each told; ends the process. */
export async function run(browser, page) {
  let failed = 0;
  const only = process.env.ONLY;
  for (const [name, body] of steps) {
    if (only && !name.includes(only)) continue;
    const start = Date.now();
    try {
      await body();
      console.log(`ok ${name} (${Date.now() - start} ms)`);
    } catch (e) {
      failed++;
      console.log(`not ok ${name}\n   ${String(e.stack ?? e).replaceAll('\n', '\n   ')}`);
      const at = page();
      if (at) await shot(at, `failed-${name.replace(/\W+/g, '-')}`).catch(() => undefined);
    }
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}
