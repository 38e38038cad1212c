// Composer and settings in Chromium, from one account to another: writing.mjs ORIGIN IMAPS-PORT PASSWORD
// anna's account was filled by fill.py; ben's is empty. ONLY=words runs the steps with these words.
// LOCKOUT=ORIGIN is a second server that trusts no address.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, assertEqual, axe, launch, logIn, openPage, run, shot, step, until } from './driver.mjs';

const [origin, imaps, password] = process.argv.slice(2);
const browser = await launch();
let page = null;

async function fresh(options = {}, who = 'anna@example.org', secret = password, at = origin) {
  const p = await openPage(browser, at, options);
  await logIn(p, who, secret);
  await p.locator('.row-subject, .pane-list .empty').first().waitFor();
  p.notes.complaints.length = 0;
  return p;
}
const row = (text, p = page) => p.locator('.row', { hasText: text }).first();
const composer = (p = page) => p.locator('.composer');
const editor = (p = page) => p.locator('.composer .editor');
const saved = (p = page) => p.locator('.save-state', { hasText: /Gespeichert|Saved/ }).waitFor();
const toast = (text, p = page) => p.locator('.toast', { hasText: text }).last();

async function write(p, { to = [], subject = '', text = '' }) {
  await p.keyboard.press('c');
  await editor(p).waitFor();
  for (const a of to) {
    await p.locator('.recipients-input').first().fill(a);
    await p.keyboard.press('Enter');
  }
  if (subject) await p.locator('.line-subject').fill(subject);
  await editor(p).click();
  if (text) await p.keyboard.type(text);
}
async function openRow(text, p = page) {
  await row(text, p).click();
  await p.locator('.message.unfolded .body').last().waitFor();
}
async function goTo(keys, p = page) {
  for (const k of keys) await p.keyboard.press(k);
}
async function openTab(id, p = page) {
  if (!(await p.locator('.settings').count())) await goTo('ge', p);
  await p.locator(`#tab-${id}`).click();
  await p.locator('.tab-panel .tab-title').waitFor();
}
async function done(p = page) {
  assertEqual(p.notes.foreign, [], 'requests to elsewhere');
  assertEqual(p.notes.complaints.filter((c) => !/status of 4\d\d|Blocked script execution in '[^']*\/mail\/frame/.test(c)), [], 'the console complains');
  await p.context().close();
}
/** What an IMAP program sees in a folder: the newest message. */
function byImap(who, box, subject) {
  const script = `
import imaplib, ssl, sys, email, email.policy, json
c = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
c.login(sys.argv[2], sys.argv[3])
names = {"\\\\Drafts": None, "\\\\Sent": None}
for line in c.list()[1]:
    text = line.decode()
    for n in names:
        if n in text: names[n] = text.split(' "/" ')[-1]
c.select(names.get(sys.argv[4], sys.argv[4]), readonly=True)
out = []
for n in c.search(None, "ALL")[1][0].split():
    data = c.fetch(n, "(FLAGS BODY.PEEK[])")[1]
    m = email.message_from_bytes(data[0][1], policy=email.policy.default)
    if m["Subject"] == sys.argv[5]:
        plain = m.get_body(("plain",)); html = m.get_body(("html",))
        out.append({"flags": (data[0][0] + (data[1] if len(data) > 1 and isinstance(data[1], bytes) else b"")).decode(), "headers": {k: str(v) for k, v in m.items()},
            "text": plain.get_content() if plain else None, "html": html.get_content() if html else None,
            "types": [p.get_content_type() for p in m.walk()], "files": [p.get_filename() for p in m.iter_attachments()]})
print(json.dumps(out))
`;
  const all = JSON.parse(execFileSync('python3', ['-c', script, imaps, who, password, box, subject], { encoding: 'utf8' }));
  return all;
}

for (const [window, locale, words] of [
  ['desktop', 'de-DE', { sent: 'Nachricht gesendet', undo: 'Rückgängig' }],
  ['phone', 'en-GB', { sent: 'Message sent', undo: 'Undo' }],
]) {
  step(`anna writes to ben with an attachment, and it appears in his window (${window})`, async () => {
    const subject = `Gartenpläne ${window}`;
    const ben = await fresh({ window, locale }, 'ben@example.org');
    page = await fresh({ window, locale });
    await page.keyboard.press('c');
    await editor().waitFor();
    await until(async () => (await page.locator('.recipients-input').first().evaluate((e) => e === document.activeElement)), 'focus in To');
    await page.keyboard.type('be');
    await page.locator('.completion', { hasText: 'ben@example.org' }).waitFor();
    assertEqual(await axe(page), [], 'axe with completions');
    await shot(page, `compose-completion-${window}`);
    await page.keyboard.press('Enter');
    await page.locator('.way-local').waitFor();
    assert(/verlässt ihn nicht|never leaves/.test(await page.locator('.recipient-name').getAttribute('aria-label')), 'the lock in words');
    await page.locator('.line-subject').fill(subject);
    await editor().click();
    await page.keyboard.type('Hallo Ben, das ist ');
    await page.keyboard.press('Control+b');
    await page.keyboard.type('wichtig');
    await page.keyboard.press('Control+b');
    await page.keyboard.type('.');
    await page.locator('input[type=file]:not([accept])').setInputFiles([
      { name: 'Plan für den Garten.txt', mimeType: 'text/plain', buffer: Buffer.from('Beete und Wege\n'.repeat(5000)) },
    ]);
    await page.locator('.file', { hasText: 'Plan für den Garten.txt' }).waitFor();
    await saved();
    assertEqual(await axe(page), [], 'axe');
    await shot(page, `compose-${window}`);
    await page.keyboard.press('Control+Enter');
    await toast(words.sent).waitFor();
    await composer().waitFor({ state: 'detached' });
    await shot(page, `compose-sent-${window}`);
    await row(subject, ben).waitFor({ timeout: 20_000 });
    await openRow(subject, ben);
    await ben.locator('.attachment, .attachments', { hasText: 'Plan für den Garten.txt' }).first().waitFor();
    const [mail] = byImap('ben@example.org', 'INBOX', subject);
    assert(mail.text.includes('Hallo Ben, das ist wichtig.'), 'plain part');
    assert(/<b>wichtig<\/b>/.test(mail.html), 'formatted part');
    assertEqual(mail.files, ['Plan für den Garten.txt']);
    const [sent] = byImap('anna@example.org', '\\Sent', subject);
    assert(!/Draft/.test(sent.flags) && /Seen/.test(sent.flags), `flags ${sent.flags}`);
    assertEqual(byImap('anna@example.org', '\\Drafts', subject).length, 0, 'no draft is left');
    await done(ben);
    await done();
  });
}

step('undo: a sent message comes back with all that it had', async () => {
  page = await fresh();
  await write(page, { to: ['ben@example.org'], subject: 'Doch nicht', text: 'Moment' });
  await page.locator('input[type=file]:not([accept])').setInputFiles([{ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('aaa') }]);
  await saved();
  await page.keyboard.press('Control+Enter');
  await toast('Nachricht gesendet').locator('button', { hasText: 'Rückgängig' }).click();
  await editor().filter({ hasText: 'Moment' }).waitFor();
  await page.locator('.file', { hasText: 'a.txt' }).waitFor();
  await page.locator('.recipient', { hasText: 'ben@example.org' }).waitFor();
  const [draft] = byImap('anna@example.org', '\\Drafts', 'Doch nicht');
  assert(/Draft/.test(draft.flags), 'a draft again');
  assertEqual(draft.files, ['a.txt']);
  await editor().click();
  await page.keyboard.type('!');
  await page.waitForTimeout(2500);
  await saved();
  const again = byImap('anna@example.org', '\\Drafts', 'Doch nicht');
  assertEqual(again.length, 1, 'one draft');
  assertEqual(again[0].files, ['a.txt'], 'the attachment is still there');
  await page.waitForTimeout(12_000);
  assertEqual(byImap('ben@example.org', 'INBOX', 'Doch nicht').length, 0, 'ben did not get it');
  await composer().locator('button[aria-label="Entwurf verwerfen"]').click();
  await toast('Entwurf verworfen').waitFor();
  await done();
});

step('drafts: saved while typing, seen by IMAP, one of them, and opened again', async () => {
  const first = `Entwurf ${Date.now()}`;
  page = await fresh();
  await write(page, { to: ['ben@example.org', 'Clara Conrad <clara@conrad.example>'], subject: first, text: 'Erster Satz.' });
  await saved();
  let drafts = byImap('anna@example.org', '\\Drafts', first);
  assertEqual(drafts.length, 1);
  assert(drafts[0].text.startsWith('Erster Satz.'), 'its text');
  await page.keyboard.type(' Zweiter Satz.');
  await page.waitForTimeout(2500);
  await saved();
  drafts = byImap('anna@example.org', '\\Drafts', first);
  assertEqual(drafts.length, 1, 'the old draft is gone');
  assert(drafts[0].text.includes('Zweiter Satz.'), 'the new text');
  await page.keyboard.type(' Dritter.');
  await page.keyboard.press('Escape');
  await composer().waitFor({ state: 'detached' });
  await toast('Als Entwurf behalten').waitFor();
  assert(await page.evaluate(() => document.activeElement !== null), 'focus');
  await goTo('gd');
  await row(first).click();
  await editor().filter({ hasText: 'Erster Satz. Zweiter Satz. Dritter.' }).waitFor();
  assertEqual(await page.locator('.recipient').count(), 2);
  await page.locator('.composer-foot button[aria-label="Entwurf verwerfen"]').click();
  const gone = toast('Entwurf verworfen');
  await gone.locator('button', { hasText: 'Rückgängig' }).click();
  await editor().filter({ hasText: 'Dritter.' }).waitFor();
  await page.waitForTimeout(500);
  assertEqual(byImap('anna@example.org', '\\Drafts', first).length, 1, 'discarding was undone');
  await page.locator('.composer-foot button[aria-label="Entwurf verwerfen"]').click();
  await until(() => byImap('anna@example.org', '\\Drafts', first).length === 0, 'discarded');
  await done();
});

step('reply to all: quoted, threaded, without oneself; the original says that it was answered', async () => {
  page = await fresh({ locale: 'en-GB' });
  const subject = `Wanderung ${Date.now()}`;
  execFileSync('python3', ['-c', `
import imaplib, ssl, sys
c = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
c.login("anna@example.org", sys.argv[2])
m = "From: Ben Berger <ben@example.org>\\r\\nTo: anna@example.org, Clara <clara@example.org>\\r\\nCc: ben+x@example.org\\r\\nSubject: " + sys.argv[3] + "\\r\\nMessage-ID: <w1@x.example>\\r\\nReferences: <w0@x.example>\\r\\nDate: Sun, 22 Nov 2026 10:00:00 +0100\\r\\n\\r\\nKommst du mit?\\r\\n> alt\\r\\n-- \\r\\nBen\\r\\n"
c.append("INBOX", "", None, m.encode())
`, imaps, password, subject]);
  await openRow(subject);
  await page.keyboard.press('a');
  await editor().waitFor();
  await until(() => editor().evaluate((e) => e === document.activeElement), 'focus in the text');
  assertEqual(await page.locator('.recipient-text').allTextContents(), ['Ben Berger', 'Clara', 'ben+x@example.org']);
  assertEqual(await page.locator('.line-subject').inputValue(), `Re: ${subject}`);
  const quoted = await editor().inputValue();
  assert(/On Sunday,? 22 November 2026.*Ben Berger wrote:\n> Kommst du mit\?\n>> alt\n/.test(quoted), quoted);
  assert(!quoted.includes('-- \nBen'), 'without the signature');
  await shot(page, 'compose-reply-en');
  await page.locator('.recipient-remove').nth(2).click();
  await page.locator('.recipient-remove').nth(1).click();
  await editor().focus();
  await page.keyboard.press('Control+Home');
  await page.keyboard.type('Yes, gladly.');
  await page.keyboard.press('Control+Enter');
  await toast('Message sent').waitFor();
  await until(() => byImap('ben@example.org', 'INBOX', `Re: ${subject}`).length === 1, 'the answer arrives', 20_000);
  const [mail] = byImap('ben@example.org', 'INBOX', `Re: ${subject}`);
  assertEqual(mail.headers['In-Reply-To'], '<w1@x.example>');
  assertEqual(mail.headers.References.replace(/\s+/g, ' '), '<w0@x.example> <w1@x.example>');
  assertEqual(mail.types, ['text/plain'], 'plain answers plain');
  assert(/Answered/.test(byImap('anna@example.org', 'INBOX', subject)[0].flags), 'answered');
  await done();
});

step('reply and forward of formatted mail: pictures inside, attachments along, scripts not', async () => {
  page = await fresh();
  await openRow('Fotos vom Fest');
  await page.keyboard.press('r');
  await editor().filter({ hasText: 'hier ein Bild vom Fest' }).waitFor();
  await until(() => editor().locator('blockquote img').evaluate((i) => i.naturalWidth > 0), 'the picture is shown');
  await page.keyboard.type('Danke für das Bild!');
  await shot(page, 'compose-reply-html');
  await page.locator('.recipients-input').first().click();
  await page.keyboard.press('Backspace');
  await page.keyboard.type('ben@example.org,');
  const before = byImap('ben@example.org', 'INBOX', 'Re: Fotos vom Fest').length;
  await page.keyboard.press('Control+Enter');
  await toast('Nachricht gesendet').waitFor();
  await until(() => byImap('ben@example.org', 'INBOX', 'Re: Fotos vom Fest').length > before, 'arrives', 20_000);
  const mail = byImap('ben@example.org', 'INBOX', 'Re: Fotos vom Fest').at(-1);
  assert(mail.types.includes('multipart/related') && mail.types.includes('image/png'), mail.types.join());
  assert(/<blockquote type="cite">[\s\S]*src="cid:bild1@fill"/.test(mail.html), mail.html);
  assert(/^Danke für das Bild![\s\S]*schrieb Dilek Demir:\n> Liebe Anna,/.test(mail.text.trim().replace(/\r/g, '')), mail.text);
  await openRow('Dringend: Bestätigen');
  await page.keyboard.press('f');
  await editor().filter({ hasText: 'Weitergeleitete Nachricht' }).waitFor();
  assertEqual(await page.evaluate(() => window.pwned), undefined, 'nothing ran');
  const html = await editor().innerHTML();
  assert(!/onerror|onload|javascript:|<script|<form|<iframe|position:\s*fixed/i.test(html), html);
  await page.keyboard.press('Escape');
  await openRow('Angebot 2026-118');
  await page.keyboard.press('f');
  await page.locator('.file').nth(4).waitFor();
  assertEqual(await page.locator('.file').count(), 5);
  await page.keyboard.press('Escape');
  await done();
});

step('pasted pictures, plain text and back, the toolbar', async () => {
  page = await fresh();
  await write(page, { to: ['ben@example.org'], subject: 'Bild im Text', text: 'Vorher ' });
  await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 40;
    canvas.getContext('2d').fillRect(5, 5, 20, 20);
    const blob = await new Promise((r) => canvas.toBlob(r, 'image/png'));
    const data = new DataTransfer();
    data.items.add(new File([blob], 'image.png', { type: 'image/png' }));
    document.querySelector('.composer .editor').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await editor().locator('img[data-cid]').waitFor();
  await page.waitForTimeout(2500);
  await saved();
  let [draft] = byImap('anna@example.org', '\\Drafts', 'Bild im Text');
  assert(/src="cid:[\w-]+@example\.org"/.test(draft.html) && draft.types.includes('image/png'), draft.html);
  await editor().click();
  await page.keyboard.press('Control+End');
  await page.keyboard.press('Enter');
  await page.locator('.tools button').nth(3).click();
  await page.keyboard.type('eins');
  await page.keyboard.press('Enter');
  await page.keyboard.type('zwei');
  await editor().locator('ul li').nth(1).waitFor();
  await shot(page, 'compose-list');
  await page.locator('.composer-foot button[aria-haspopup=menu]').last().click();
  await page.locator('.menu-item', { hasText: 'Reiner Text' }).click();
  await page.locator('.dialog', { hasText: 'Formatierung entfernen?' }).locator('button', { hasText: 'Entfernen' }).click();
  await page.locator('textarea.editor').waitFor();
  assert(/Vorher .*\n\* eins\n\* zwei/s.test(await editor().inputValue()), await editor().inputValue());
  await page.locator('.file', { hasText: 'image.png' }).waitFor();
  await page.locator('.composer-foot button[aria-haspopup=menu]').last().click();
  await page.locator('.menu-item', { hasText: 'Mit Formatierung' }).click();
  await page.locator('div.editor', { hasText: 'eins' }).waitFor();
  await page.locator('.composer-foot button[aria-label="Entwurf verwerfen"]').click();
  await done();
});

step('warnings before sending, words for what is wrong', async () => {
  const large = join(mkdtempSync(join(tmpdir(), 'writing-')), 'riesig.bin');
  writeFileSync(large, Buffer.alloc(45_000_000));
  page = await fresh();
  await write(page, { text: 'Anbei der Plan.' });
  await page.keyboard.press('Control+Enter');
  await page.locator('.notice-danger', { hasText: 'Es fehlt ein Empfänger' }).waitFor();
  await page.locator('.recipients-input').first().fill('kaputt');
  await page.keyboard.press('Control+Enter');
  await page.locator('.notice-danger', { hasText: 'keine E-Mail-Adresse: kaputt' }).waitFor();
  await shot(page, 'compose-problem');
  await page.locator('.recipient-remove').click();
  await page.locator('.recipients-input').first().fill('ben@example.org');
  await page.keyboard.press('Control+Enter');
  const dialog = page.locator('.dialog', { hasText: 'So senden?' }).last();
  await dialog.locator('p', { hasText: 'keinen Betreff' }).waitFor();
  await dialog.locator('p', { hasText: 'Anhang' }).waitFor();
  await shot(page, 'compose-warning');
  assertEqual(await axe(page), [], 'axe');
  await dialog.locator('button', { hasText: 'Abbrechen' }).click();
  await editor().waitFor();
  await page.locator('input[type=file]:not([accept])').setInputFiles(large);
  await page.locator('.notice-warn', { hasText: 'riesig.bin passt nicht' }).waitFor();
  // Without a network nothing is lost, and it is said.
  await page.context().setOffline(true);
  await page.locator('.line-subject').fill('Ohne Netz');
  await page.locator('.notice-warn', { hasText: 'Keine Verbindung' }).waitFor();
  await page.keyboard.press('Control+Enter');
  await page.locator('.dialog', { hasText: 'So senden?' }).last().locator('button', { hasText: 'Trotzdem senden' }).click();
  await page.locator('.notice-danger', { hasText: 'Die Nachricht bleibt hier' }).waitFor();
  await shot(page, 'compose-offline');
  await page.context().setOffline(false);
  await page.waitForTimeout(1500);
  await saved();
  await page.locator('.composer-foot button[aria-label="Entwurf verwerfen"]').click();
  page.notes.complaints.length = 0;
  await done();
});

step('send later, and stop it in the settings', async () => {
  page = await fresh();
  await write(page, { to: ['ben@example.org'], subject: 'Später', text: 'Bis morgen' });
  await page.locator('.send-later').click();
  await page.locator('.menu-item', { hasText: 'Datum und Uhrzeit' }).click();
  const dialog = page.locator('.dialog', { hasText: 'Wann soll sie' }).last();
  await shot(page, 'compose-later');
  await dialog.locator('button', { hasText: 'Später senden' }).click();
  await toast('Wird gesendet').waitFor();
  await openTab('waiting');
  await page.locator('.card', { hasText: 'Später' }).waitFor();
  assertEqual(await axe(page), [], 'axe');
  await shot(page, 'settings-waiting');
  await page.locator('.card', { hasText: 'Später' }).locator('button', { hasText: 'Nicht senden' }).click();
  await page.locator('.notice', { hasText: 'wieder bei den Entwürfen' }).waitFor();
  assertEqual(byImap('anna@example.org', '\\Drafts', 'Später').length, 1, 'a draft again');
  await page.locator('button', { hasText: 'Entwurf öffnen' }).click();
  await editor().filter({ hasText: 'Bis morgen' }).waitFor();
  await page.locator('.composer-foot button[aria-label="Entwurf verwerfen"]').click();
  await done();
});

for (const [window, locale, dark] of [['desktop', 'de-DE', false], ['phone', 'en-GB', true]]) {
  step(`settings: each tab is shown and accessible (${window})`, async () => {
    page = await fresh({ window, locale, dark });
    await goTo('ge');
    await page.locator('.settings').waitFor();
    for (const tab of await page.locator('.tab').all()) {
      await tab.click();
      const id = await tab.getAttribute('id');
      await until(async () => (await page.locator('.tab-panel .skeleton').count()) === 0, id);
      assertEqual(await axe(page), [], `axe of ${id}`);
      await shot(page, `settings-${id}-${window}`);
    }
    await page.keyboard.press('Escape');
    await page.locator('.settings').waitFor({ state: 'detached' });
    await done();
  });
}

step('identities: a signature, used when writing', async () => {
  page = await fresh();
  await openTab('identities');
  await page.locator('.card button').first().click();
  await page.locator('textarea.area').fill('Anna Albers\nFreiburg');
  await page.locator('button[type=submit]').click();
  await page.locator('.notice-good').waitFor();
  await page.locator('.signature-line', { hasText: 'Anna Albers · Freiburg' }).waitFor();
  await page.locator('button', { hasText: 'Absender hinzufügen' }).click();
  await page.locator('input[type=email]').fill('chef@elsewhere.example');
  await page.locator('button[type=submit]').click();
  await page.locator('.notice-danger').waitFor();
  await shot(page, 'settings-identity-refused');
  await page.keyboard.press('Escape');
  await page.keyboard.press('c');
  await editor().locator('.signature', { hasText: 'Freiburg' }).waitFor();
  await page.keyboard.press('Escape');
  await openTab('identities');
  await page.locator('.card button').first().click();
  await page.locator('.check input').check();
  await page.locator('.markup-field .editor').waitFor();
  await shot(page, 'settings-identity');
  assertEqual(await axe(page), [], 'axe');
  await page.locator('.check input').uncheck();
  await page.locator('textarea.area').fill('');
  await page.locator('button[type=submit]').click();
  await page.locator('.notice-good').waitFor();
  await done();
});

step('absence: kept, with an honest word', async () => {
  page = await fresh({ locale: 'en-GB' });
  await openTab('absence');
  await page.locator('.notice', { hasText: 'does not send it yet' }).waitFor();
  await page.locator('.check input').check();
  await page.locator('input[type=date]').first().fill('2026-12-20');
  await page.locator('input[type=date]').last().fill('2026-12-10');
  await page.locator('textarea').fill('I am away.');
  await page.locator('button[type=submit]').click();
  await page.locator('.notice-danger', { hasText: 'end is before' }).waitFor();
  await page.locator('input[type=date]').last().fill('2027-01-03');
  await page.locator('button[type=submit]').click();
  await page.locator('.notice-good').waitFor();
  await page.locator('#tab-server').click();
  await page.locator('#tab-absence').click();
  await page.locator('textarea').waitFor();
  assertEqual(await page.locator('input[type=date]').evaluateAll((all) => all.map((x) => x.value)), ['2026-12-20', '2027-01-03']);
  await page.locator('.check input').uncheck();
  await page.locator('button[type=submit]').click();
  await page.locator('.notice-good').waitFor();
  await done();
});

step('deleted messages come back', async () => {
  page = await fresh();
  await openRow('Leihfrist endet');
  await page.keyboard.press('#');
  await row('Leihfrist endet').waitFor({ state: 'detached' });
  await goTo('gt');
  await openRow('Leihfrist endet');
  await page.keyboard.press('#');
  const sure = page.locator('dialog[open] .dialog-foot button').last();
  if (await sure.isVisible().catch(() => false)) await sure.click();
  await row('Leihfrist endet').waitFor({ state: 'detached' });
  await openTab('deleted');
  const card = page.locator('.card', { hasText: 'Leihfrist endet' });
  await until(async () => {
    if (await card.count()) return true;
    await page.locator('#tab-server').click();
    await page.locator('#tab-deleted').click();
    await page.waitForTimeout(300);
    return false;
  }, 'the deleted message is listed', 20_000);
  await card.locator('input').check();
  await shot(page, 'settings-deleted');
  assertEqual(await axe(page), [], 'axe');
  await page.locator('.list-tools .button').click();
  await page.locator('.notice-good', { hasText: '1 Nachricht wiederhergestellt' }).waitFor();
  await page.keyboard.press('Escape');
  await row('Leihfrist endet').waitFor();
  await done();
});

step('a session ended elsewhere: the login asks, and what was written is there again', async () => {
  const other = await fresh({ locale: 'en-GB' });
  page = await fresh();
  await write(other, { to: ['ben@example.org'], subject: 'Ended', text: 'Half a sent' });
  await saved(other);
  await openTab('sessions');
  await shot(page, 'settings-sessions');
  await page.locator('button', { hasText: 'Alle anderen beenden' }).click();
  await page.locator('dialog[open] .dialog-foot button', { hasText: 'Alle anderen beenden' }).click();
  await page.locator('.notice-good').waitFor();
  await until(async () => (await page.locator('.card').count()) === 1, 'this session is the only one');
  await other.keyboard.type('ence');
  await other.locator('.login').waitFor();
  await other.locator('input[name=password]').fill(password);
  await other.locator('.login button[type=submit]').click();
  await editor(other).filter({ hasText: 'Half a sentence' }).waitFor();
  await shot(other, 'compose-after-login');
  await other.context().close();
  await done();
});

step('the password is changed: the rule, the old one refused, other sessions ended', async () => {
  const other = await fresh({}, 'ben@example.org');
  page = await fresh({}, 'ben@example.org');
  await openTab('password');
  await page.locator('input[name=old]').fill('falsch falsch');
  await page.locator('input[name=new]').fill('kurz');
  await page.locator('.rule-bad', { hasText: 'Mindestens' }).waitFor();
  await page.locator('input[name=new]').fill('passwort123');
  await page.locator('.rule', { hasText: 'Sicherer wäre es' }).waitFor();
  await shot(page, 'settings-password-rule');
  assertEqual(await axe(page), [], 'axe');
  const next = 'Leuchtturm-am-Kai-88!';
  await page.locator('input[name=new]').fill(next);
  await page.locator('.rule-good', { hasText: 'gut' }).waitFor();
  await page.locator('input[name=again]').fill('anders');
  await page.locator('.settings button[type=submit]').click();
  await page.locator('.notice-danger', { hasText: 'nicht gleich' }).waitFor();
  await page.locator('input[name=again]').fill(next);
  await page.locator('.settings button[type=submit]').click();
  await page.locator('.notice-danger', { hasText: 'jetzige Passwort ist falsch' }).waitFor();
  await page.locator('input[name=old]').fill(password);
  await page.locator('.settings button[type=submit]').click();
  await page.locator('.notice-good', { hasText: 'Das Passwort ist geändert' }).waitFor();
  await shot(page, 'settings-password-done');
  await other.locator('.login').waitFor({ timeout: 20_000 }).catch(async () => {
    await other.keyboard.press('g');
    await other.keyboard.press('s');
    await other.locator('.login').waitFor();
  });
  await other.context().clearCookies();
  await other.goto('/mail/');
  await other.locator('input[name=username]').fill('ben@example.org');
  await other.locator('input[name=password]').fill(password);
  await other.locator('button[type=submit]').click();
  await other.locator('.notice', { hasText: 'Passwort ist falsch' }).waitFor();
  await other.locator('input[name=password]').fill(next);
  await other.locator('button[type=submit]').click();
  await other.locator('.shell').waitFor();
  await other.context().close();
  await done();
});

if (process.env.LOCKOUT)
  step('the fifth wrong password locks the address out, in plain words', async () => {
    page = await openPage(browser, process.env.LOCKOUT);
    await page.goto('/mail/');
    await page.locator('input[name=username]').fill('anna@example.org');
    for (let i = 0; i < 5; i++) {
      await page.locator('input[name=password]').fill(`falsch ${i} falsch`);
      await page.locator('button[type=submit]').click();
      await page.locator('.notice').waitFor();
      await page.locator('button[type=submit]:not([disabled])').waitFor();
    }
    await page.locator('input[name=password]').fill(password);
    await page.locator('button[type=submit]').click();
    await page.locator('.notice', { hasText: 'Zu viele falsche Versuche' }).waitFor();
    await shot(page, 'login-locked-out');
    await page.context().close();
  });

await run(browser, () => page);
