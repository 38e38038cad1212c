import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import '../src/compose/words.ts';
import '../src/settings/words.ts';
import { core, dictionaries, fill, language } from '../src/i18n/index.ts';
import { SHORTCUTS, findShortcut } from '../src/keys.ts';
import type { Text } from '../src/i18n/index.ts';

function names(text: Text): string[] {
  const all = typeof text === 'string' ? text : text.one + text.other;
  return [...new Set([...all.matchAll(/\{(\w+)\}/g)].map((m) => m[1]!))].sort();
}

test('core, composer and settings have their words', () => assert.equal(dictionaries.length, 3));

for (const [i, d] of dictionaries.entries()) {
  test(`dictionary ${i}: both languages have the same keys and the same values to fill in`, () => {
    assert.deepEqual(Object.keys(d.de).sort(), Object.keys(d.en).sort());
    for (const key of Object.keys(d.en)) {
      assert.deepEqual(names(d.de[key]!), names(d.en[key]!), key);
      const empty = (text: Text) => (typeof text === 'string' ? [text] : [text.one, text.other]).some((f) => f.trim() === '');
      assert.equal(empty(d.de[key]!), empty(d.en[key]!), key);
    }
  });
}

test('no word is kept that nobody says', () => {
  const root = process.env.WEBMAIL_SRC;
  assert.ok(root);
  const source = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((f) => /\.tsx?$/.test(f) && !/i18n\/(?:en|de)\.ts$/.test(f))
    .map((f) => readFileSync(join(root, f), 'utf8'))
    .join('\n');
  // Made of parts: t(`role.${…}`) and t(`login.${…}`).
  const unused = Object.keys(core.en).filter((k) => !/^(?:role|login)\./.test(k) && !source.includes(`'${k}'`));
  assert.deepEqual(unused, []);
});

test('plurals and numbers follow the language', () => {
  language.value = 'de';
  assert.equal(fill({ one: '{n} Nachricht', other: '{n} Nachrichten' }, { n: 1 }), '1 Nachricht');
  assert.equal(fill({ one: '{n} Nachricht', other: '{n} Nachrichten' }, { n: 12345 }), '12.345 Nachrichten');
  language.value = 'en';
  assert.equal(fill({ one: '{n} message', other: '{n} messages' }, { n: 0 }), '0 messages');
  assert.equal(fill('{a} and {b}', { a: 'x' }), 'x and {b}');
});

test('every shortcut is found by its keys, and none twice', () => {
  const seen = new Set<string>();
  for (const [name, s] of Object.entries(SHORTCUTS))
    for (const keys of s.keys) {
      assert.ok(!seen.has(keys), keys);
      seen.add(keys);
      const [first, second] = keys.split(' ') as [string, string?];
      if (second) assert.equal(findShortcut('', first), 'more');
      assert.equal(second ? findShortcut(first, second) : findShortcut('', first), name);
    }
});
