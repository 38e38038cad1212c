import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLink, isDangerous, isMixed, looksLike, parseResults, phishingHints, unicodeDomain, verdict } from '../src/mail/checks.ts';
import type { Verdict } from '../src/mail/checks.ts';
import { groupQuotes, linkify, parseText } from '../src/mail/text.ts';
import { parseRoute, routeHash } from '../src/state/route.ts';
import { folderTree } from '../src/state/mailboxes.ts';
import { spliceIds } from '../src/state/list.ts';
import { undoPatches } from '../src/state/actions.ts';
import type { Mailbox } from '../src/jmap/types.ts';

const host = 'mail.example.org';
const from = (email: string, name: string | null = null) => ({ email, name });

test('only our own host’s results count, and only the topmost', () => {
  const ours = 'mail.example.org; dmarc=pass header.from=a.example';
  const theirs = 'mx.evil.example; dmarc=pass header.from=a.example';
  assert.equal(verdict([ours], host, from('x@a.example')).result, 'pass');
  assert.equal(verdict([theirs], host, from('x@a.example')).result, 'unchecked');
  assert.equal(verdict([theirs, ours], host, from('x@a.example')).result, 'unchecked');
  assert.equal(verdict([], host, from('x@a.example')).result, 'unchecked');
  assert.equal(verdict(undefined, host, undefined).result, 'unchecked');
});

test('results in plain words', () => {
  const v = (f: string, who = 'x@a.example') => verdict([`${host}; ${f}`], host, from(who));
  assert.equal(v('dmarc=fail (p=reject) header.from=a.example').result, 'fail');
  assert.equal(v('dkim=pass header.d=a.example').result, 'pass');
  assert.deepEqual(v('dkim=pass header.d=list.example; dmarc=none'), { result: 'other', domain: 'list.example' });
  assert.equal(v('spf=pass smtp.mailfrom=bounce@news.a.example').result, 'pass');
  assert.equal(v('spf=none; dkim=none').result, 'none');
  assert.equal(v('auth=pass smtp.auth=x').result, 'local');
  assert.equal(v('none').result, 'unchecked');
  assert.deepEqual(parseResults(`${host} 1; dkim=fail (a; dmarc=pass) reason="x; y" header.d=a`, host), [
    { method: 'dkim', value: 'fail', properties: { reason: 'x; y', 'header.d': 'a' } },
  ]);
});

test('phishing hints', () => {
  const own = { domain: 'example.org', isMe: (e: string) => e === 'anna@example.org' };
  const none: Verdict = { result: 'none', domain: '' };
  const kinds = (e: Parameters<typeof phishingHints>[0], v = none) => phishingHints(e, own, v).map((h) => h.kind);
  const mail = (f: ReturnType<typeof from>, replyTo: ReturnType<typeof from>[] | null = null) => ({ from: [f], replyTo });
  assert.deepEqual(kinds(mail(from('a@b.example', 'Anna'))), []);
  assert.deepEqual(kinds(mail(from('a@evil.example', 'service@bank.example'))), ['name']);
  assert.deepEqual(kinds(mail(from('a@b.example', 'a@b.example'))), []);
  assert.deepEqual(kinds(mail(from('a@b.example'), [from('x@evil.example')])), ['replyTo']);
  assert.deepEqual(kinds(mail(from('a@b.example'), [from('x@mail.b.example')])), []);
  assert.deepEqual(kinds(mail(from('chef@examp1e.org'))), ['lookalike']);
  assert.deepEqual(kinds(mail(from('chef@example.org.evil.example'))), ['lookalike']);
  assert.deepEqual(kinds(mail(from('ben@example.org'))), []);
  assert.deepEqual(kinds(mail(from('anna@example.org')), { result: 'fail', domain: 'example.org' }), ['me']);
});

test('look-alikes', () => {
  for (const d of ['exarnple.org', 'exampel.org', 'examplee.org', 'еxample.org', 'example-org.evil.example'])
    assert.ok(looksLike(d, 'example.org'), d);
  for (const d of ['example.org', 'mail.example.org', 'other.example', 'sample.net']) assert.ok(!looksLike(d, 'example.org'), d);
  assert.equal(unicodeDomain('xn--xample-2of.org'), 'еxample.org');
  assert.equal(unicodeDomain('xn--mnchen-3ya.de'), 'münchen.de');
  assert.equal(unicodeDomain('xn--!!!.de'), 'xn--!!!.de');
  assert.ok(isMixed('еxample.org'));
  assert.ok(!isMixed('münchen.de'));
  assert.ok(!isMixed('пример.рф'));
});

test('links whose text says something else', () => {
  assert.equal(checkLink('https://evil.example/x', 'https://bank.example').differs, 'bank.example');
  assert.equal(checkLink('https://evil.example/x', 'www.bank.example').differs, 'bank.example');
  assert.equal(checkLink('https://bank.example/x', 'bank.example').differs, null);
  assert.equal(checkLink('https://www.bank.example/x', 'https://bank.example/y').differs, null);
  assert.equal(checkLink('https://click.news.example/?u=1', 'Read more').differs, null);
  assert.equal(checkLink('https://a.example', 'mail me at x@b.example').differs, null);
  assert.equal(checkLink('https://xn--xample-2of.org/', 'x').idn, 'еxample.org');
  assert.ok(isDangerous('rechnung.pdf.exe'));
  assert.ok(!isDangerous('rechnung.pdf'));
});

test('links in plain text', () => {
  const urls = (s: string) => linkify(s).flatMap((p) => ('url' in p ? [p.url] : []));
  assert.deepEqual(urls('see https://a.example/x(y), or www.b.example.'), ['https://a.example/x(y)', 'https://www.b.example']);
  assert.deepEqual(urls('(https://a.example/)'), ['https://a.example/']);
  assert.deepEqual(urls('<https://a.example/?a=1&b=2>'), ['https://a.example/?a=1&b=2']);
  assert.deepEqual(urls('anna@example.org,'), ['mailto:anna@example.org']);
  assert.deepEqual(urls('javascript:alert(1) data:text/html,x file:///etc'), []);
  assert.equal(linkify('a https://b.example c').map((p) => p.text).join(''), 'a https://b.example c');
  const start = performance.now();
  linkify('a@'.repeat(50_000));
  linkify('a.'.repeat(20_000));
  linkify(`https://${')'.repeat(20_000)}`);
  assert.ok(performance.now() - start < 4000, `${performance.now() - start} ms`);
});

test('quotes and signatures', () => {
  const blocks = parseText('Hallo\n\nAm Montag schrieb Ben:\n> ja\n>> nein\n> doch\n\nGut.\n-- \nAnna\n> x');
  assert.deepEqual(
    blocks.map((b) => [b.kind, b.level, b.lines.join('|')]),
    [
      ['text', 0, 'Hallo||Am Montag schrieb Ben:'],
      ['quote', 1, 'ja'],
      ['quote', 2, 'nein'],
      ['quote', 1, 'doch'],
      ['text', 0, 'Gut.'],
      ['signature', 0, '-- |Anna|> x'],
    ],
  );
  assert.deepEqual(groupQuotes(blocks).map((g) => g.kind), ['text', 'fold', 'text', 'signature']);
});

test('addresses of the page', () => {
  for (const hash of ['#/B3', '#/B3/T7', '#/search/from%3Aanna%20%2F', '#/search/x/T1'])
    assert.equal(routeHash(parseRoute(hash)), hash);
  assert.deepEqual(parseRoute(''), { mailbox: null, search: null, open: null });
  assert.deepEqual(parseRoute('#/%E0%A4%A'), { mailbox: null, search: null, open: null });
});

test('folders: roles first, children behind their parents, lost ones at the top', () => {
  const box = (id: string, name: string, parentId: string | null = null, role: string | null = null) =>
    ({ id, name, parentId, role, sortOrder: 0 }) as Mailbox;
  const all = [box('B9', 'Zebra'), box('B8', 'Äpfel'), box('B7', 'x', 'B9'), box('B6', 'lost', 'B99'), box('B2', 'Trash', null, 'trash'), box('B1', 'INBOX', null, 'inbox')];
  const shown = (closed: string[]) => folderTree(all, new Set(closed), 'de').map((f) => `${f.mailbox.id}.${f.depth}`);
  assert.deepEqual(shown([]), ['B1.0', 'B2.0', 'B8.0', 'B6.0', 'B9.0', 'B7.1']);
  assert.deepEqual(shown(['B9']), ['B1.0', 'B2.0', 'B8.0', 'B6.0', 'B9.0']);
});

test('a list with holes takes changes', () => {
  const none = new Set<string>();
  const u = undefined;
  assert.deepEqual(spliceIds(['a', 'b', 'c'], ['b'], [], 2, none), ['a', 'c']);
  assert.deepEqual(spliceIds(['a', 'b'], [], [{ id: 'n', index: 0 }], 3, none), ['n', 'a', 'b']);
  assert.deepEqual(spliceIds(['a', 'b', 'c'], ['c'], [{ id: 'c', index: 0 }], 3, none), ['c', 'a', 'b']);
  // What went lay in a hole: only the rows before it keep their places.
  assert.deepEqual(spliceIds(['a', u, u, 'd'], ['x'], [], 3, none), ['a', u, u]);
  // … unless we took it out ourselves.
  assert.deepEqual(spliceIds(['a', u, 'd'], ['x'], [], 3, new Set(['x'])), ['a', u, 'd']);
  assert.deepEqual(spliceIds(['a'], [], [{ id: 'n', index: 3 }], 5, none), ['a', u, u, 'n', u]);
});

test('undo changes back what was changed, and no more', () => {
  const was = new Map([['M1', { mailboxIds: { B1: true }, keywords: { $seen: true } }]]);
  assert.deepEqual(undoPatches(was, { M1: { 'mailboxIds/B1': null, 'mailboxIds/B5': true } }), {
    M1: { 'mailboxIds/B1': true, 'mailboxIds/B5': null },
  });
  assert.deepEqual(undoPatches(was, { M1: { 'keywords/$seen': null } }), { M1: { 'keywords/$seen': true } });
  assert.deepEqual(undoPatches(was, { M1: { mailboxIds: { B5: true } } }), { M1: { mailboxIds: { B1: true } } });
});
