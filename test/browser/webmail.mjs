// The webmail in Chromium, feature by feature: webmail.mjs ORIGIN IMAPS-PORT PASSWORD
// anna's account was filled by fill.py; ben's is empty. ONLY=words runs the steps with these words.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert, assertEqual, axe, launch, logIn, openPage, run, shot, step, until } from './driver.mjs';

const [origin, imaps, password] = process.argv.slice(2);
const browser = await launch();
let page = null;
const pages = [];

async function fresh(options = {}, who = 'anna@example.org') {
  page = await openPage(browser, origin, options);
  pages.push(page);
  await logIn(page, who, password);
  await page.locator('.row-subject, .pane-list .empty').first().waitFor();
  return page;
}
const row = (text, p = page) => p.locator('.row', { hasText: text }).first();
const toast = (p = page) => p.locator('.toast-text').last();
const folder = (name, p = page) => p.locator('.folder a', { hasText: name }).first();
const frame = (p = page) => p.frameLocator('.mail-frame').last();
async function openFolder(name) {
  await folder(name).click();
  await page.locator('.list-title', { hasText: name }).waitFor();
}
async function open(text) {
  await row(text).click();
  await page.locator('.message.unfolded .body').last().waitFor();
}
function append(subject, address = 'anna@example.org') {
  execFileSync('python3', [fileURLToPath(new URL('append.py', import.meta.url)), imaps, address, password, subject]);
}
async function done(p = page) {
  assertEqual(p.notes.foreign, [], 'requests to elsewhere');
  const complaints = p.notes.complaints.filter((c) => !c.includes('status of 401'));
  assertEqual(complaints, [], 'the console complains');
  await p.context().close();
}

step('login: plain words for what is wrong, and nothing for strangers', async () => {
  page = await openPage(browser, origin, { locale: 'en-GB' });
  await page.goto('/mail/');
  await page.locator('h1', { hasText: 'Depesche' }).waitFor();
  assertEqual(await axe(page), [], 'axe');
  await shot(page, 'login-en');
  await page.locator('button[type=submit]').click();
  await page.locator('.notice', { hasText: 'Enter your full email address' }).waitFor();
  await page.locator('input[name=username]').fill('anna@example.org');
  await page.locator('input[name=password]').fill('wrong wrong wrong');
  await page.locator('button[type=submit]').click();
  await page.locator('.notice', { hasText: 'address or the password is wrong' }).waitFor();
  await page.locator('button', { hasText: 'Deutsch' }).click();
  await page.locator('.notice', { hasText: 'Passwort ist falsch' }).waitFor();
  await shot(page, 'login-wrong-de');
  await done();
});

step('from login to the list: three requests, one list of 50', async () => {
  page = await openPage(browser, origin);
  await page.goto('/mail/');
  await page.locator('input[name=username]').fill('anna@example.org');
  await page.locator('input[name=password]').fill(password);
  page.notes.requests.length = 0;
  const start = Date.now();
  await page.locator('button[type=submit]').click();
  await page.locator('.row-subject').first().waitFor();
  const took = Date.now() - start;
  const requests = page.notes.requests.filter((r) => !r.includes('/assets/') && !r.includes('/jmap/events'));
  assertEqual(requests, ['POST /mail/login', 'GET /.well-known/jmap', 'POST /jmap/api']);
  console.log(`   login to list: ${took} ms`);
  await page.waitForTimeout(300);
  await shot(page, 'list-de');
  assertEqual(await axe(page), [], 'axe');
  await done();
});

step('conversations show one’s own sent mail', async () => {
  await fresh();
  assert((await row('Wanderung am Sonntag').innerText()).includes('Ben, Ich'), 'who takes part');
  await open('Wanderung am Sonntag');
  assertEqual(await page.locator('.message').count(), 3);
  assert((await page.locator('.message').nth(1).innerText()).includes('Anna Albers'), 'the sent one in its place');
  assert((await page.locator('h1.subject').innerText()).includes('Wanderung am Sonntag'), 'subject');
  await page.locator('.message').nth(1).locator('.message-line').click();
  await page.locator('.message').nth(1).locator('.fold summary').click();
  await page.locator('.text-quote', { hasText: 'Schauinsland' }).first().waitFor();
  await shot(page, 'conversation');
  await done();
});

step('scrolling through the whole list fetches what is seen', async () => {
  await fresh();
  const total = Number((await page.locator('.list-count').innerText()).replace(/\D/g, ''));
  assert(total > 300, `${total} conversations`);
  await page.locator('#list').evaluate((el) => (el.scrollTop = el.scrollHeight));
  await row(`${total > 1000 ? 1500 : 300}`).waitFor();
  assert((await page.locator('.row').count()) < 60, 'only rows in sight exist');
  await page.locator('#list').evaluate((el) => (el.scrollTop = el.scrollHeight / 2));
  await until(async () => (await page.locator('.row-bones').count()) === 0 && (await page.locator('.row').count()) > 5, 'rows in the middle');
  await done();
});

step('archive, undo, and the figures follow', async () => {
  await fresh();
  const before = await page.locator('.list-count').innerText();
  await open('Leihfrist');
  await page.locator('.reader-bar').getByLabel('Archivieren').click();
  await toast().filter({ hasText: '1 archiviert' }).waitFor();
  await until(async () => (await row('Leihfrist').count()) === 0, 'gone from the list');
  await page.locator('.toast button', { hasText: 'Rückgängig' }).click();
  await row('Leihfrist').waitFor();
  await until(async () => (await page.locator('.list-count').innerText()) === before, 'count as before');
  await page.waitForTimeout(600);
  await page.reload();
  await row('Leihfrist').waitFor();
  await openFolder('Archiv');
  await page.waitForTimeout(300);
  assertEqual(await row('Leihfrist').count(), 0, 'not in the archive');
  await done();
});

step('unread only, and all again', async () => {
  await fresh();
  const all = await page.locator('.list-count').innerText();
  await page.getByLabel('Nur ungelesene zeigen').click();
  await until(async () => (await page.locator('.list-count').innerText()) !== all, 'fewer');
  await until(async () => (await page.locator('.row').count()) === (await page.locator('.row.unread').count()), 'unread ones');
  await page.getByLabel('Alle zeigen').click();
  await until(async () => (await page.locator('.list-count').innerText()) === all, 'all');
  await done();
});

step('keyboard: j k x s e z # ! / ? g+i', async () => {
  await fresh();
  await page.keyboard.press('j');
  await page.locator('.row.active').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  const first = await page.locator('.row.active .row-subject').innerText();
  await page.keyboard.press('o');
  await page.locator('.message.unfolded').first().waitFor();
  await page.keyboard.press('j');
  await until(async () => (await page.locator('.row.opened .row-subject').innerText()) !== first, 'the next one is open');
  await page.keyboard.press('u');
  await page.locator('.reader-none').waitFor();
  await page.keyboard.press('x');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.locator('.list-bar-count', { hasText: '2 ausgewählt' }).waitFor();
  await page.keyboard.press('e');
  await toast().filter({ hasText: '2 archiviert' }).waitFor();
  await page.keyboard.press('z');
  await toast().filter({ hasText: 'Rückgängig gemacht' }).waitFor();
  await page.keyboard.press('/');
  assertEqual(await page.evaluate(() => document.activeElement?.className), 'search-input');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.locator('dialog', { hasText: 'Tastenkürzel' }).waitFor();
  assertEqual(await axe(page), [], 'axe in the help');
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.locator('.list-title', { hasText: 'Papierkorb' }).waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await page.locator('.list-title', { hasText: 'Posteingang' }).waitFor();
  await done();
});

step('several at once: shift-click, flag, read and unread, move by menu', async () => {
  await fresh();
  await row('Protokoll der Sitzung 1').hover();
  await row('Protokoll der Sitzung 1').locator('.tick').click();
  await row('Terminvorschlag 3').click({ modifiers: ['Shift'] });
  await page.locator('.list-bar-count', { hasText: '3 ausgewählt' }).waitFor();
  await page.keyboard.press('s');
  await toast().filter({ hasText: 'Markiert' }).waitFor();
  assertEqual(await page.locator('.row .flag.on').count() >= 3, true, 'flags');
  await page.keyboard.press('s');
  await page.keyboard.press('Shift+U');
  await toast().filter({ hasText: 'Als ungelesen' }).waitFor();
  await page.keyboard.press('Shift+I');
  await page.keyboard.press('v');
  await page.locator('.menu-filter').fill('Verein');
  await page.keyboard.press('Enter');
  await toast().filter({ hasText: '3 nach Verein verschoben' }).waitFor();
  await openFolder('Verein');
  await until(async () => (await page.locator('.row-subject').count()) === 3, 'three in the folder');
  await page.keyboard.press('*');
  await page.keyboard.press('a');
  await page.keyboard.press('v');
  await page.locator('.menu-filter').fill('Posteingang');
  await page.keyboard.press('Enter');
  await page.locator('.pane-list .empty').waitFor();
  await done();
});

step('drag and drop: messages onto a folder, a folder into another', async () => {
  await fresh();
  await row('Lieferung unterwegs 2').dragTo(folder('Gartenhaus'));
  await toast().filter({ hasText: '1 nach Gartenhaus verschoben' }).waitFor();
  await openFolder('Gartenhaus');
  await row('Lieferung unterwegs 2').waitFor();
  await page.locator('.toast button', { hasText: 'Rückgängig' }).first().click();
  await page.locator('.pane-list .empty').waitFor();
  await folder('Verein').dragTo(folder('Projekte'));
  await toast().filter({ hasText: 'Ordner verschoben' }).waitFor();
  await page.locator('.folder.depth-1', { hasText: 'Verein' }).waitFor();
  await page.locator('.toast button', { hasText: 'Rückgängig' }).last().click();
  await page.locator('.folder.depth-0', { hasText: 'Verein' }).waitFor();
  await done();
});

step('folders: make, rename, delete, mark all as read', async () => {
  await fresh();
  await page.locator('.folders-own button').click();
  await page.locator('dialog input').fill('Steuer 2026');
  await page.keyboard.press('Enter');
  await folder('Steuer 2026').waitFor();
  const menu = async (name, item) => {
    await page.locator('.folder', { hasText: name }).hover();
    await page.locator('.folder', { hasText: name }).locator('.folder-menu').click();
    await page.locator('.menu-item', { hasText: item }).click();
  };
  await menu('Steuer 2026', 'Umbenennen');
  await page.locator('dialog input').fill('Steuer');
  await page.keyboard.press('Enter');
  await toast().filter({ hasText: 'umbenannt' }).waitFor();
  await page.reload();
  await folder('Steuer').waitFor();
  await menu('Steuer', 'Ordner löschen');
  await until(async () => (await folder('Steuer').count()) === 0, 'folder gone');
  await done();
});

step('a folder with messages is deleted, and brought back with them', async () => {
  await fresh();
  await row('Terminvorschlag').click();
  const subject = await page.locator('.row.opened .row-subject').innerText();
  await page.keyboard.press('v');
  await page.locator('.menu-filter').fill('Gartenhaus');
  await page.keyboard.press('Enter');
  await toast().filter({ hasText: '1 nach Gartenhaus verschoben' }).waitFor();
  await page.locator('.folder', { hasText: 'Gartenhaus' }).hover();
  await page.locator('.folder', { hasText: 'Gartenhaus' }).locator('.folder-menu').click();
  await page.locator('.menu-item', { hasText: 'Ordner löschen' }).click();
  await page.locator('dialog button', { hasText: 'Ordner löschen' }).click();
  const deleted = page.locator('.toast', { hasText: 'Ordner gelöscht' });
  await deleted.locator('button', { hasText: 'Rückgängig' }).click();
  await openFolder('Gartenhaus');
  await row(subject).click();
  await page.keyboard.press('v');
  await page.locator('.menu-filter').fill('Posteingang');
  await page.keyboard.press('Enter');
  await page.locator('.pane-list .empty').waitFor();
  await done();
});

step('delete: to the trash, then for good, each with undo', async () => {
  await fresh();
  await row('Rückfrage zum Entwurf').click();
  const subject = await page.locator('.row.opened .row-subject').innerText();
  await page.keyboard.press('#');
  await toast().filter({ hasText: 'in den Papierkorb' }).waitFor();
  await openFolder('Papierkorb');
  await row(subject).click();
  await page.keyboard.press('#');
  await toast().filter({ hasText: '1 gelöscht' }).waitFor();
  await until(async () => (await row(subject).count()) === 0, 'gone');
  await page.locator('.toast button', { hasText: 'Rückgängig' }).last().click();
  await row(subject).waitFor();
  await page.locator('.folder', { hasText: 'Papierkorb' }).hover();
  await page.locator('.folder', { hasText: 'Papierkorb' }).locator('.folder-menu').click();
  await page.locator('.menu-item', { hasText: 'Ordner leeren' }).click();
  await page.locator('dialog button', { hasText: 'Endgültig löschen' }).click();
  await page.locator('.pane-list .empty').waitFor();
  await done();
});

step('junk and back', async () => {
  await fresh();
  await row('Bitte um Rückruf').click();
  const subject = await page.locator('.row.opened .row-subject').innerText();
  await page.keyboard.press('!');
  await openFolder('Spam');
  await row(subject).click();
  await page.locator('.reader-bar').getByLabel('Kein Spam').click();
  await page.locator('.pane-list .empty').first().waitFor();
  await openFolder('Posteingang');
  await row(subject).waitFor();
  await done();
});

step('live: what comes is seen within a second', async () => {
  await fresh();
  await page.waitForTimeout(500);
  append('Frisch eingetroffen');
  const start = Date.now();
  await row('Frisch eingetroffen').waitFor({ timeout: 3000 });
  const took = Date.now() - start;
  console.log(`   seen ${took} ms after the append had ended`);
  assert(took < 1000, `${took} ms`);
  assert(/^\(\d+\)/.test(await page.title()), 'the title tells the unread');
  const other = await openPage(browser, origin);
  await logIn(other, 'anna@example.org', password);
  await row('Frisch eingetroffen', other).click();
  await until(async () => !(await row('Frisch eingetroffen').getAttribute('class')).includes('unread'), 'read elsewhere is read here');
  await other.keyboard.press('e');
  await until(async () => (await row('Frisch eingetroffen').count()) === 0, 'archived elsewhere is gone here');
  await other.context().close();
  await done();
});

step('search: suggestions, chips, highlighted hits', async () => {
  await fresh();
  await page.keyboard.press('/');
  await page.keyboard.type('von:cla');
  await page.locator('.suggestion', { hasText: 'Clara Conrad' }).waitFor();
  await shot(page, 'suggestions');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.locator('.chip', { hasText: 'von:clara' }).waitFor();
  await row('Angebot 2026-118').waitFor();
  await page.locator('.search-input').fill('Gutscheine');
  await page.keyboard.press('Enter');
  await page.locator('mark', { hasText: 'Gutscheine' }).first().waitFor();
  await page.waitForTimeout(200);
  assertEqual(await axe(page), [], 'axe');
  await shot(page, 'search');
  await open('Kurze Bitte');
  await page.locator('.search-input').fill('hat:anhang betreff:Angebot');
  await page.keyboard.press('Enter');
  await row('Angebot 2026-118').waitFor();
  await page.locator('.chip', { hasText: 'hat:anhang' }).click();
  await until(async () => (await page.locator('.chip').count()) === 1, 'one chip is left');
  await page.locator('.search-input').fill('gibtesnichtxyz');
  await page.keyboard.press('Enter');
  await page.locator('.empty', { hasText: 'Nichts gefunden' }).waitFor();
  await page.goBack();
  await row('Angebot 2026-118').waitFor();
  await done();
});

step('hostile HTML: nothing runs, loads or lies over', async () => {
  await fresh();
  await open('Dringend: Bestätigen');
  await frame().locator('h2', { hasText: 'Ihr Konto' }).waitFor();
  await page.waitForTimeout(400);
  assertEqual(await page.evaluate(() => window.pwned), undefined, 'code ran');
  const left = await frame().locator('body').evaluate((body) => ({
    bad: [...body.querySelectorAll('script,form,input,button,svg,math,iframe,object,base,meta,link,video,audio')].map((e) => e.tagName),
    on: [...body.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => a.name.startsWith('on'))).length,
    hrefs: [...body.querySelectorAll('[href]')].map((e) => e.getAttribute('href')),
    style: body.innerHTML.match(/url\(|@import|position/i)?.[0] ?? null,
  }));
  assertEqual(left, { bad: [], on: 0, hrefs: ['https://evil.example/login'], style: null });
  await page.locator('.notice', { hasText: 'service@sparkasse.example' }).waitFor();
  await page.locator('.notice', { hasText: 'collect@other.example' }).waitFor();
  await frame().locator('a[href]').hover();
  await page.locator('.link-status', { hasText: 'https://evil.example/login' }).waitFor();
  await frame().locator('a[href]').click();
  await page.locator('dialog', { hasText: 'www.sparkasse.example' }).waitFor();
  await shot(page, 'link-differs');
  assertEqual(await axe(page), [], 'axe');
  await page.locator('dialog button', { hasText: 'Abbrechen' }).click();
  // The frame says so itself when it reads a handler that is thrown away afterwards.
  page.notes.complaints = page.notes.complaints.filter((c) => !c.startsWith('Blocked script execution'));
  await done();
});

step('the sanitiser against many payloads', async () => {
  await fresh();
  const payloads = JSON.parse(readFileSync(new URL('payloads.json', import.meta.url), 'utf8'));
  const module = page.notes.requests.find((r) => r.includes('/assets/html-body')) ?? null;
  if (!module) await page.waitForRequest(/html-body/);
  const path = page.notes.requests.find((r) => r.includes('/assets/html-body')).replace(/^GET /, '');
  const found = await page.evaluate(async ([path, payloads]) => {
    const { cleanHtml } = await import(path);
    const frame = document.createElement('iframe');
    frame.src = '/mail/frame';
    frame.setAttribute('sandbox', 'allow-same-origin');
    await new Promise((r) => {
      frame.onload = r;
      document.body.append(frame);
    });
    const bad = [];
    for (const payload of payloads) {
      for (const remote of [false, true]) {
        const clean = cleanHtml(payload, { view: frame.contentWindow, cid: () => null, remote });
        const doc = frame.contentDocument;
        doc.body.style.cssText = clean.bodyStyle;
        doc.body.innerHTML = clean.html;
        for (const e of doc.body.querySelectorAll('*')) {
          const name = e.localName;
          if (!/^(a|abbr|address|article|b|big|blockquote|br|center|code|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|s|small|span|strong|style|sub|sup|table|tbody|td|th|thead|tfoot|tr|u|ul|caption|col|colgroup|dl|dd|dt|q|section|main|mark|time|figure|figcaption|header|footer|nav|aside|tt|var|kbd|samp|cite|del|ins|dfn|bdi|bdo|acronym|strike|wbr)$/.test(name)) bad.push([payload, `<${name}>`]);
          if (e.namespaceURI !== 'http://www.w3.org/1999/xhtml') bad.push([payload, e.namespaceURI]);
          for (const a of e.attributes) {
            if (/^(on|srcdoc|action|formaction|xlink|background|ping|srcset|name|data)/i.test(a.name)) bad.push([payload, a.name]);
            if (a.name === 'href' && !/^(https?:\/\/|mailto:|tel:)/i.test(a.value)) bad.push([payload, a.value]);
            if (a.name === 'src' && !/^(https:\/\/|data:image\/(png|gif|jpe?g|webp|bmp|avif);base64,)/i.test(a.value)) bad.push([payload, a.value]);
            if (a.name === 'src' && !remote && !a.value.startsWith('data:')) bad.push([payload, `remote ${a.value}`]);
            if (a.name === 'style' && /url|@|expression|position|\\/i.test(a.value)) bad.push([payload, a.value]);
          }
          if (name === 'style' && /url\(|@import|@font|expression|position|</i.test(e.textContent)) bad.push([payload, e.textContent]);
        }
      }
    }
    await new Promise((r) => setTimeout(r, 200));
    if (window.pwned || frame.contentWindow.pwned) bad.push(['?', 'ran']);
    frame.remove();
    return bad;
  }, [path, payloads]);
  assertEqual(found, []);
  console.log(`   ${payloads.length} payloads`);
  // Pictures that may be shown are asked for, and refused by the policy of this frame; nothing else.
  assertEqual([...new Set(page.notes.foreign)], ['https://evil.example/i']);
  page.notes.foreign.length = page.notes.complaints.length = 0;
  await done();
});

step('pictures from the internet only when asked for, remembered for the sender', async () => {
  await fresh();
  await open('Neues aus der Werkstatt');
  await frame().locator('h1', { hasText: 'Neues aus der Werkstatt' }).waitFor();
  assertEqual(page.notes.foreign, [], 'requests to elsewhere');
  await page.locator('.notice-bar').waitFor();
  await shot(page, 'pictures-blocked');
  await page.locator('button', { hasText: 'Immer von' }).click();
  await until(() => page.notes.foreign.some((u) => u.startsWith('https://pictures.invalid/')), 'the picture is asked for');
  assert(!page.notes.foreign.some((u) => u.includes('tracker')), 'the tracker never');
  await page.reload();
  page.notes.foreign.length = 0;
  await row('Neues aus der Werkstatt').click();
  await until(() => page.notes.foreign.some((u) => u.startsWith('https://pictures.invalid/')), 'remembered');
  await page.locator('button', { hasText: 'Nicht mehr' }).click();
  await page.locator('.notice-bar').waitFor();
  page.notes.foreign.length = 0;
  page.notes.complaints.length = 0;
  await done();
});

step('inline pictures, attachments, previews', async () => {
  await fresh();
  await open('Fotos vom Fest');
  const img = frame().locator('img');
  await img.waitFor();
  await until(() => img.evaluate((i) => i.complete && i.naturalWidth === 320), 'the picture is shown');
  await open('Angebot 2026-118');
  await page.locator('.card').nth(4).waitFor();
  await until(() => page.locator('img.thumb').first().evaluate((i) => i.naturalWidth > 0), 'thumbnail');
  await page.locator('.card', { hasText: 'Skizze Erdgeschoss' }).locator('.card-main').click();
  await until(() => page.locator('.preview-picture').evaluate((i) => i.naturalWidth === 320), 'picture preview');
  await page.keyboard.press('Escape');
  await page.locator('.card', { hasText: 'Protokoll.txt' }).locator('.card-main').click();
  await page.locator('dialog pre', { hasText: 'Begrüßung' }).waitFor();
  await page.keyboard.press('Escape');
  assert((await page.locator('.card', { hasText: 'Rechnung.pdf' }).getAttribute('class')).includes('danger'), 'programs are marked');
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('.card', { hasText: 'Angebot 2026-118.pdf' }).locator('.icon-button').click()]);
  assertEqual(download.suggestedFilename(), 'Angebot 2026-118.pdf');
  await shot(page, 'attachments');
  assertEqual(await axe(page), [], 'axe');
  await done();
});

step('source and .eml', async () => {
  await fresh();
  await open('Leihfrist');
  await page.locator('.message-tools').getByLabel('Weitere Aktionen').click();
  await page.locator('.menu-item', { hasText: 'Quelltext' }).click();
  await page.locator('dialog pre', { hasText: 'Message-ID' }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.message-tools').getByLabel('Weitere Aktionen').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('.menu-item', { hasText: '.eml' }).click()]);
  assertEqual(download.suggestedFilename(), 'Leihfrist endet in 3 Tagen.eml');
  assert(readFileSync(await download.path(), 'utf8').includes('bibliothek@stadt.example'), 'the message');
  await page.getByRole('button', { name: /an mich/ }).click();
  await page.locator('.details', { hasText: 'Nicht geprüft' }).waitFor();
  await done();
});

step('what the server refuses is taken back, with words', async () => {
  await fresh();
  await page.route('**/jmap/api', (route) =>
    route.request().postData().includes('Email/set') ? route.fulfill({ status: 503, body: '{}' }) : route.continue());
  await row('Kurze Bitte').click();
  await page.keyboard.press('e');
  await page.locator('.toast-error', { hasText: 'Der Server ist beschäftigt' }).waitFor();
  await row('Kurze Bitte').waitFor();
  await page.unroute('**/jmap/api');
  await page.locator('.toast-error button', { hasText: 'Nochmal' }).last().click();
  await until(async () => (await row('Kurze Bitte').count()) === 0, 'the second try');
  await page.keyboard.press('z');
  await row('Kurze Bitte').waitFor();
  await toast().filter({ hasText: 'Rückgängig gemacht' }).waitFor();
  page.notes.complaints.length = 0;
  await done();
});

step('English, dark, tablet', async () => {
  await fresh({ locale: 'en-US', dark: true, window: 'tablet' });
  await page.locator('.list-title', { hasText: 'Inbox' }).waitFor();
  await page.locator('.top-menu').click();
  await page.locator('.folder a', { hasText: 'Drafts' }).waitFor();
  await page.waitForTimeout(300);
  await shot(page, 'tablet-dark-folders');
  await page.mouse.click(850, 500);
  await open('Wanderung');
  await page.waitForTimeout(200);
  await shot(page, 'tablet-dark');
  assertEqual(await axe(page), [], 'axe');
  await done();
});

step('phone: list and message take turns, Back goes back', async () => {
  await fresh({ window: 'phone' });
  await shot(page, 'phone-list');
  assertEqual(await axe(page), [], 'axe in the list');
  await row('Angebot 2026-118').tap();
  await page.locator('.message.unfolded').waitFor();
  assert(!(await page.locator('.pane-list').isVisible()), 'the list gives way');
  await page.waitForTimeout(200);
  await shot(page, 'phone-message');
  assertEqual(await axe(page), [], 'axe in the message');
  assertEqual(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'no sideways scrolling');
  await page.goBack();
  await row('Angebot 2026-118').waitFor();
  await page.locator('.top-menu').tap();
  await folder('Archiv').tap();
  await page.locator('.list-title', { hasText: 'Archiv' }).waitFor();
  await done();
});

step('an ended session leads to the login, and on from there', async () => {
  await fresh();
  await open('Kurze Bitte');
  await page.evaluate(() => fetch('/mail/logout', { method: 'POST' }));
  await page.locator('.row', { hasText: 'Wanderung' }).first().click();
  await page.locator('.notice', { hasText: 'Sitzung ist beendet' }).waitFor();
  assert(!(await page.locator('.shell').isVisible()), 'nothing is left to see');
  await page.locator('input[name=password]').fill(password);
  await page.locator('button[type=submit]').click();
  await page.locator('.row-subject').first().waitFor();
  await page.locator('h1.subject', { hasText: 'Wanderung' }).waitFor();
  await page.getByLabel('Konto:').click();
  await page.locator('.menu-item', { hasText: 'Abmelden' }).click();
  await page.locator('input[name=username]').waitFor();
  page.notes.complaints.length = 0;
  await done();
});

await run(browser, () => page);
