import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDate, parseSearch, quoteValue, searchFilter, snippetPieces, withoutTerm } from '../src/mail/search.ts';

const boxes = (name: string) => ({ archiv: 'B5', archive: 'B5', 'meine post': 'B9' })[name.toLowerCase()] ?? null;
const filter = (text: string, aside: string[] = []) => searchFilter(parseSearch(text), boxes, aside);

test('words, phrases and fields', () => {
  assert.deepEqual(filter('rechnung'), { text: 'rechnung' });
  assert.deepEqual(filter('"offene rechnung"'), { text: 'offene rechnung' });
  assert.deepEqual(filter('from:anna'), { from: 'anna' });
  assert.deepEqual(filter('von:"Anna Beispiel"'), { from: 'Anna Beispiel' });
  assert.deepEqual(filter('betreff:Angebot hat:anhang'), {
    operator: 'AND',
    conditions: [{ subject: 'Angebot' }, { hasAttachment: true }],
  });
  assert.deepEqual(filter('is:unread'), { notKeyword: '$seen' });
  assert.deepEqual(filter('-from:ben'), { operator: 'NOT', conditions: [{ from: 'ben' }] });
  assert.deepEqual(filter('larger:5M'), { minSize: 5_000_000 });
});

test('what is no field is words', () => {
  assert.deepEqual(filter('https://example.org/x'), { text: 'https://example.org/x' });
  assert.deepEqual(filter('foo:bar'), { text: 'foo:bar' });
  assert.deepEqual(filter('before:gestern'), { text: 'gestern' });
  assert.equal(filter(''), null);
  assert.equal(filter('from:'), null);
  assert.deepEqual(filter('"unclosed'), { text: 'unclosed' });
});

test('folders, and what is left aside without one', () => {
  assert.deepEqual(filter('x', ['B3']), {
    operator: 'AND',
    conditions: [{ text: 'x' }, { inMailboxOtherThan: ['B3'] }],
  });
  assert.deepEqual(filter('in:archiv', ['B3']), { inMailbox: 'B5' });
  assert.deepEqual(filter('in:"Meine Post"', ['B3']), { inMailbox: 'B9' });
  assert.deepEqual(filter('x in:überall', ['B3']), { text: 'x' });
});

test('dates as people write them', () => {
  const now = new Date(2026, 10, 22, 15, 0);
  const day = (d: Date | null) => d && [d.getFullYear(), d.getMonth() + 1, d.getDate()];
  assert.deepEqual(day(parseDate('2026-11-01', now)), [2026, 11, 1]);
  assert.deepEqual(day(parseDate('1.2.2026', now)), [2026, 2, 1]);
  assert.deepEqual(day(parseDate('1.2.', now)), [2026, 2, 1]);
  assert.deepEqual(day(parseDate('3.4.25', now)), [2025, 4, 3]);
  assert.deepEqual(day(parseDate('2025', now)), [2025, 1, 1]);
  assert.deepEqual(day(parseDate('11/2025', now)), [2025, 11, 1]);
  assert.deepEqual(day(parseDate('7d', now)), [2026, 11, 15]);
  for (const bad of ['31.2.2026', '2026-13-01', 'x', '', '2026-1-1-1']) assert.equal(parseDate(bad, now), null, bad);
});

test('hostile lengths stay cheap', () => {
  const start = performance.now();
  assert.equal(parseSearch('a '.repeat(50_000)).length, 20);
  parseSearch('"'.repeat(100_000));
  parseSearch('a:'.repeat(50_000));
  assert.ok(performance.now() - start < 1000);
});

test('chips', () => {
  assert.equal(withoutTerm('from:anna rechnung', 'from:anna'), 'rechnung');
  assert.equal(quoteValue('Meine Post'), '"Meine Post"');
  assert.equal(quoteValue('Post'), 'Post');
});

test('snippets are text and marks, nothing else', () => {
  assert.deepEqual(snippetPieces('a &lt;b&gt; <mark>hit</mark> &amp;amp; c'), [
    { text: 'a <b> ', hit: false },
    { text: 'hit', hit: true },
    { text: ' &amp; c', hit: false },
  ]);
  assert.deepEqual(snippetPieces('<img src=x onerror=alert(1)>x'), [{ text: 'x', hit: false }]);
});
