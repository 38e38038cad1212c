// Debian's Roundcube in Chromium, as a visitor uses it: roundcube.mjs ORIGIN PASSWORD NEXT-PASSWORD
// anna's inbox has one message, "Gruss aus Kiel".
import { assert, assertEqual, launch, openPage, run, shot, step } from './driver.mjs';

const [origin, password, next] = process.argv.slice(2);
const browser = await launch();
const page = await openPage(browser, origin, { locale: 'en-GB' });

async function logInHere(word) {
  await page.goto('/');
  await page.locator('input[name=_user]').fill('anna@example.org');
  await page.locator('input[name=_pass]').fill(word);
  await page.locator('#rcmloginsubmit').click();
}
const row = (subject) => page.locator('#messagelist tr.message', { hasText: subject });
const task = (name) => page.locator(`#taskmenu a.${name}`);

step('log in and read', async () => {
  await logInHere(password);
  await row('Gruss aus Kiel').click();
  await page.frameLocator('#messagecontframe').locator('#messagebody', { hasText: 'Guten Tag.' }).waitFor();
  await shot(page, 'roundcube-read');
});

step('write to ben with an attachment', async () => {
  await task('compose').click();
  await page.locator('#compose_to input').fill('ben@example.org');
  await page.locator('#compose_to input').press('Enter');
  await page.locator('#compose-subject').fill('Aus Roundcube');
  await page.locator('#composebody').fill('Moin Ben');
  await page.locator('input[name="_attachments[]"]').first().setInputFiles({
    name: 'Fahrplan für Föhr.txt', mimeType: 'text/plain', buffer: Buffer.from('um acht\n'),
  });
  await page.locator('#attachment-list li.text:not(.uploading)', { hasText: 'Fahrplan für Föhr' }).waitFor();
  await shot(page, 'roundcube-write');
  await page.locator('.toolbar a.send, button.send').first().click();
  await page.locator('#messagelist').waitFor();
  await page.locator('#mailboxlist a', { hasText: 'Sent' }).click();
  await row('Aus Roundcube').waitFor();
  await shot(page, 'roundcube-sent');
});

step('change the password, with the rule told', async () => {
  await task('settings').click();
  await page.locator('#settings-menu .password a').click();
  await page.locator('#curpasswd').waitFor();
  const fill = async (word) => {
    await page.locator('#curpasswd').fill(password);
    await page.locator('#newpasswd').fill(word);
    await page.locator('#confpasswd').fill(word);
    await page.locator('button.submit').first().click();
  };
  await fill('kurz');
  await page.locator('#messagestack', { hasText: 'at least 8 characters' }).waitFor();
  await shot(page, 'roundcube-rule');
  await fill(next);
  await page.locator('#messagestack', { hasText: 'Successfully saved' }).waitFor();
  await shot(page, 'roundcube-changed');
});

step('the session goes on; the old password is refused, the new one lets in', async () => {
  await task('mail').click();
  await row('Gruss aus Kiel').waitFor();
  await task('logout').click();
  await page.locator('#rcmloginsubmit').waitFor();
  await logInHere(password);
  await page.locator('#messagestack', { hasText: 'Login failed' }).waitFor();
  await logInHere(next);
  await row('Gruss aus Kiel').waitFor();
  assertEqual(page.notes.foreign, [], 'requests to elsewhere');
  assert(!page.notes.complaints.some((c) => /^\w*Error/.test(c)), page.notes.complaints.join('\n'));
});

await run(browser, () => page);
