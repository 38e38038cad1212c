// The whole story in two windows: ends_when.mjs ORIGIN PASSWORD NEW-PASSWORD
// anna writes to ben with an attachment; it comes into his window by itself; she changes her password; the old
// one is refused, and the fifth wrong try locks the address out. The server must trust no address.
import { readFileSync } from 'node:fs';
import { assert, assertEqual, launch, logIn, openPage, run, shot, step, until } from './driver.mjs';

const [origin, password, next] = process.argv.slice(2);
const browser = await launch();
const anna = await openPage(browser, origin);
const ben = await openPage(browser, origin, { locale: 'en-GB', window: 'phone' });
const plan = Buffer.from('Treffpunkt: 9 Uhr, große Uhr\n'.repeat(2000));

async function tryToLogIn(secret) {
  const answer = anna.waitForResponse((r) => r.url().endsWith('/mail/login'));
  await anna.locator('input[name=password]').fill(secret);
  await anna.locator('button[type=submit]').click();
  const status = (await answer).status();
  await anna.locator('button[type=submit]:not([disabled])').waitFor();
  return status;
}

step('anna writes to ben, with an attachment', async () => {
  await logIn(ben, 'ben@example.org', password);
  await ben.locator('.pane-list .empty').waitFor();
  await logIn(anna, 'anna@example.org', password);
  await anna.locator('.pane-list .empty').waitFor();
  await anna.keyboard.press('c');
  await anna.locator('.composer .editor').waitFor();
  await anna.locator('.recipients-input').first().fill('ben@example.org');
  await anna.keyboard.press('Enter');
  await anna.locator('.line-subject').fill('Plan für Sonntag');
  await anna.locator('.composer .editor').click();
  await anna.keyboard.type('Hallo Ben, anbei der Plan.');
  await anna.locator('input[type=file]:not([accept])').setInputFiles({ name: 'Plan.txt', mimeType: 'text/plain', buffer: plan });
  await anna.locator('.file', { hasText: 'Plan.txt' }).waitFor();
  await anna.keyboard.press('Control+Enter');
  await anna.locator('.toast', { hasText: 'gesendet' }).waitFor();
});

step('it comes into ben’s window by itself', async () => {
  const row = ben.locator('.row', { hasText: 'Plan für Sonntag' });
  await row.waitFor({ timeout: 20_000 }); // anna may take it back for ten seconds
  await shot(ben, 'ends-when-ben');
  await row.tap();
  await ben.frameLocator('.mail-frame').locator('body', { hasText: 'Hallo Ben, anbei der Plan.' })
    .or(ben.locator('.message .body', { hasText: 'Hallo Ben, anbei der Plan.' })).first().waitFor();
  const [download] = await Promise.all([ben.waitForEvent('download'),
    ben.locator('.card', { hasText: 'Plan.txt' }).locator('.icon-button').tap()]);
  assert(plan.equals(readFileSync(await download.path())), 'the attachment as it was sent');
});

step('anna changes her password', async () => {
  for (const key of 'ge') await anna.keyboard.press(key);
  await anna.locator('#tab-password').click();
  await anna.locator('input[name=old]').fill(password);
  await anna.locator('input[name=new]').fill(next);
  await anna.locator('input[name=again]').fill(next);
  await anna.locator('.settings button[type=submit]').click();
  await anna.locator('.notice-good', { hasText: 'Das Passwort ist geändert' }).waitFor();
});

step('the old one is refused, the fifth wrong try locks out', async () => {
  await anna.keyboard.press('Escape');
  await anna.getByLabel('Konto:').click();
  await anna.locator('.menu-item', { hasText: 'Abmelden' }).click();
  await anna.locator('input[name=username]').fill('anna@example.org');
  assertEqual(await tryToLogIn(password), 401, 'the old one');
  await anna.locator('.notice', { hasText: 'Passwort ist falsch' }).waitFor();
  await shot(anna, 'ends-when-refused');
  for (let i = 2; i <= 4; i++) assertEqual(await tryToLogIn(`falsch ${i}`), 401, `wrong try ${i}`);
  await tryToLogIn('falsch 5');
  assertEqual(await tryToLogIn(next), 429, 'the right one, after the fifth wrong one');
  await anna.locator('.notice', { hasText: 'Zu viele falsche Versuche' }).waitFor();
  await shot(anna, 'ends-when-locked');
});

step('ben, who is logged in, reads on', async () => {
  await ben.goBack();
  await ben.locator('.top-menu').tap();
  await ben.locator('.folder a', { hasText: 'Drafts' }).tap();
  await ben.locator('.list-title', { hasText: 'Drafts' }).waitFor();
  await until(async () => (await ben.locator('.pane-list .empty').count()) === 1, 'his folder is shown');
  assertEqual([...anna.notes.foreign, ...ben.notes.foreign], [], 'requests to elsewhere');
});

await run(browser, () => anna);
