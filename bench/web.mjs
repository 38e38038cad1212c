// For bench/web: login, reload and opening in Chromium, each from the key or click to the frame that shows
// what was wanted, both seen by the page's own clock. Prints one line of JSON.
//   web.mjs ORIGIN ADDRESS PASSWORD ROUNDS
import { launch, openPage } from '../test/browser/driver.mjs';

const [origin, address, password, rounds] = process.argv.slice(2);
const browser = await launch();
const found = { login: [], loginAnswer: [], loginCpu: [], reload: [], plain: [], conversation: [], html: [], openCpu: [] };

// Runs in the page: `measure(event, fact)` gives the time from the next such event to the first frame in
// which fact() holds. Looks after each change of the document, and waits for the frame to be drawn.
const meter = () => {
  const drawn = () => new Promise((r) => requestAnimationFrame(() => setTimeout(r)));
  const when = (fact) =>
    new Promise((resolve) => {
      const look = () => fact() && (observer.disconnect(), clearInterval(timer), resolve());
      const observer = new MutationObserver(look);
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      const timer = setInterval(look, 4); // what happens inside frames is no change of the document
    });
  window.facts = {
    // Every row in sight is there, and the list knows 50 or more.
    list: () =>
      document.querySelectorAll('.row-subject').length > 5 &&
      !document.querySelector('.row-bones') &&
      document.querySelector('#list, .rows') !== null,
    text: () => {
      const bodies = [...document.querySelectorAll('.message.unfolded .body')];
      return bodies.length > 0 && bodies.every((b) => b.querySelector('.plain')?.textContent.trim());
    },
    frame: () => {
      const frame = document.querySelector('.message.unfolded .mail-frame');
      return Boolean(frame?.contentDocument?.body?.textContent.trim());
    },
  };
  window.measure = (event, fact) =>
    (window.measured = new Promise((resolve) => {
      const begin = async () => {
        const start = performance.now();
        await when(window.facts[fact]);
        await drawn();
        resolve(performance.now() - start);
      };
      document.addEventListener(event, () => void begin(), { capture: true, once: true });
    }));
  window.sinceStart = async (fact) => {
    if (!window.facts[fact]()) await when(window.facts[fact]);
    await drawn();
    return performance.now();
  };
};

/** Milliseconds of CPU that the page's main thread has used. */
async function cpu(page) {
  const { metrics } = await page.cdp.send('Performance.getMetrics');
  return metrics.find((m) => m.name === 'TaskDuration').value * 1000;
}

async function fresh() {
  const page = await openPage(browser, origin);
  page.cdp = await page.context().newCDPSession(page);
  await page.cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  await page.addInitScript(meter);
  await page.goto('/mail/');
  await page.locator('input[name=username]').fill(address);
  await page.locator('input[name=password]').fill(password);
  await page.waitForLoadState('networkidle');
  return page;
}

/** Opens a row that was not opened before, and goes back to the list. */
async function open(page, row, fact) {
  await row.waitFor();
  await page.evaluate((f) => void window.measure('click', f), fact);
  const before = await cpu(page);
  await row.click();
  const took = await page.evaluate(() => window.measured);
  found.openCpu.push((await cpu(page)) - before);
  await page.keyboard.press('u');
  await page.locator('.reader-none').waitFor();
  return took;
}

for (let i = 0; i <= rounds; i++) {
  const page = await fresh();
  page.notes.requests.length = 0;
  await page.evaluate(() => void window.measure('keydown', 'list'));
  const before = await cpu(page);
  await page.locator('input[name=password]').press('Enter');
  const took = await page.evaluate(() => window.measured);
  const used = (await cpu(page)) - before;
  const answered = await page.evaluate(() => {
    const entry = performance.getEntriesByType('resource').find((e) => e.name.endsWith('/mail/login'));
    return entry.responseEnd - entry.startTime;
  });
  const paths = page.notes.requests.filter((r) => !r.includes('/assets/') && !r.includes('/jmap/events'));
  if (i === 0) found.first = took;
  else {
    found.login.push(took);
    found.loginCpu.push(used);
    found.loginAnswer.push(answered);
    found.paths = paths;
    found.requests = paths.length;
    await page.waitForTimeout(500);
    await page.goto('/mail/');
    found.reload.push(await page.evaluate(() => window.sinceStart('list')));
  }
  if (Number(rounds) === i) {
    await page.waitForTimeout(1500);
    await open(page, page.locator('.row', { hasText: 'Leihfrist' }).first(), 'text');
    await open(page, page.locator('.row', { hasText: 'Neues aus der Werkstatt' }).first(), 'frame');
    const rows = page.locator('.row');
    const singles = rows.filter({ hasText: 'Nachricht Nummer' });
    await page.locator('#list').evaluate((el) => (el.scrollTop = 900));
    await singles.nth(3).waitFor();
    for (let at = 0; found.plain.length + found.conversation.length < Number(rounds) * 2; at++) {
      await page.locator('#list').evaluate((el, n) => (el.scrollTop = 900 + 76 * n), at);
      await page.waitForTimeout(300);
      const row = rows.nth(12);
      const several = (await row.locator('.row-number').count()) > 0;
      (several ? found.conversation : found.plain).push(await open(page, row, 'text'));
    }
    for (let k = 0; k < Number(rounds); k++) {
      // Reloading forgets what was opened before.
      await page.goto('/mail/');
      await page.waitForTimeout(1200);
      found.html.push(await open(page, page.locator('.row', { hasText: 'Neues aus der Werkstatt' }).first(), 'frame'));
    }
  }
  await page.context().close();
}
console.log(JSON.stringify(found));
await browser.close();
