// Replies, threading, addresses and mailto: links, as the composer makes and reads them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Email, EmailAddress } from '../src/jmap/types.ts';
import {
  addressText, identityFor, isAddress, mentionsAttachment, parseMailto, parseRecipients, quoteText, replyRecipients,
  replySubject, threading,
} from '../src/compose/reply.ts';

const a = (email: string, name: string | null = null): EmailAddress => ({ name, email });
const isMe = (e: string) => e.toLowerCase() === 'me@x.example';
const mail = (m: Partial<Email>) => ({ from: null, replyTo: null, to: null, cc: null, ...m }) as Email;

test('a subject gets one prefix, whatever it had', () => {
  for (const [is, wanted] of [
    ['Plan', 'Re: Plan'],
    ['AW: Re: WG: Plan', 'Re: Plan'],
    ['re[2]: Plan', 'Re: Plan'],
    ['Antwerpen: Reise', 'Re: Antwerpen: Reise'],
    [null, 'Re:'],
  ] as const)
    assert.equal(replySubject(is, 'Re'), wanted);
  assert.equal(replySubject('Fwd: Plan', 'Fwd'), 'Fwd: Plan');
});

test('an answer goes where the sender asks for it', () => {
  const m = mail({ from: [a('ben@x.example')], replyTo: [a('list@x.example')], to: [a('ME@x.example'), a('c@x.example')], cc: [a('C@x.example'), a('d@x.example')] });
  assert.deepEqual(replyRecipients(m, false, isMe), { to: [a('list@x.example')], cc: [] });
  assert.deepEqual(replyRecipients(m, true, isMe), { to: [a('list@x.example'), a('c@x.example')], cc: [a('d@x.example')] });
});

test('an answer to oneself goes on to those it went to', () => {
  const own = mail({ from: [a('me@x.example')], to: [a('ben@x.example')], cc: [a('c@x.example')] });
  assert.deepEqual(replyRecipients(own, false, isMe), { to: [a('ben@x.example')], cc: [] });
  assert.deepEqual(replyRecipients(own, true, isMe), { to: [a('ben@x.example')], cc: [a('c@x.example')] });
  const note = mail({ from: [a('me@x.example')], to: [a('me@x.example')] });
  assert.deepEqual(replyRecipients(note, true, isMe), { to: [a('me@x.example')], cc: [] });
});

test('references grow, and stay bounded', () => {
  assert.deepEqual(threading({ messageId: ['c'], inReplyTo: ['b'], references: ['a', 'b'] }), { inReplyTo: ['c'], references: ['a', 'b', 'c'] });
  assert.deepEqual(threading({ messageId: ['c'], inReplyTo: ['b'], references: null }), { inReplyTo: ['c'], references: ['b', 'c'] });
  assert.deepEqual(threading({ messageId: null, inReplyTo: null, references: null }), { inReplyTo: null, references: null });
  const many = threading({ messageId: ['z'], inReplyTo: null, references: Array.from({ length: 300 }, (_, i) => `r${i}`) }).references!;
  assert.equal(many.length, 50);
  assert.equal(many[0], 'r0');
  assert.equal(many.at(-1), 'z');
});

test('a quote leaves the signature out and deepens what was quoted', () => {
  assert.equal(quoteText('Hallo\n\n> alt\n\n-- \nBen\n'), '> Hallo\n>\n>> alt');
});

test('addresses as people type and paste them', () => {
  assert.deepEqual(parseRecipients('ben@x.example, "Berger, Ben" <b@x.example>; Clara C <c@x.example>\nkaputt'), [
    a('ben@x.example'), a('b@x.example', 'Berger, Ben'), a('c@x.example', 'Clara C'), a('kaputt'),
  ]);
  assert.deepEqual(parseRecipients('a@x.example b@x.example'), [a('a@x.example'), a('b@x.example')]);
  assert.deepEqual(parseRecipients(' , ;'), []);
  for (const good of ['a@x.example', 'ö.b+c@müller.example', "o'neil@x.co"]) assert.ok(isAddress(good), good);
  for (const bad of ['a', 'a@', '@x.de', 'a@x', 'a b@x.de', 'a@x..de', 'a@-x.de', 'a@x.de\nBcc: b@x.de', '<a@x.de>']) assert.ok(!isAddress(bad), bad);
  for (const x of [a('a@x.example', 'Berger, "Ben"'), a('a@x.example', 'Ben'), a('a@x.example')])
    assert.deepEqual(parseRecipients(addressText(x)), [x]);
});

test('a mailto: link sets what it may', () => {
  const m = parseMailto('mailto:a@x.example,b%40x.example?subject=Hallo%20Welt%0D%0ABcc%3A%20x&cc=c@x.example&body=Eins%0D%0AZwei&attach=/etc/passwd&from=z@x.example');
  assert.deepEqual(m, { to: [a('a@x.example'), a('b@x.example')], cc: [a('c@x.example')], bcc: [], subject: 'Hallo Welt Bcc: x', body: 'Eins\nZwei', inReplyTo: null });
  assert.deepEqual(parseMailto('mailto:?%').to, []);
});

test('an attachment that is spoken of, but not in a quote', () => {
  for (const yes of ['Anbei der Plan.', 'Siehe Anhang', 'I attached the plan', 'die beigefügten Bilder'])
    assert.ok(mentionsAttachment(yes), yes);
  for (const no of ['> siehe Anhang', 'Hallo\n-- \nAnhang GmbH', 'Wir hängen zusammen', 'unattachedness'])
    assert.ok(!mentionsAttachment(no), no);
});

test('the identity to which a message came', () => {
  const id = (email: string) => ({ id: email, email }) as never;
  const all = [id('me@x.example'), id('info@x.example')];
  const m = (to: string) => ({ from: null, to: [a(to)], cc: null, bcc: null });
  assert.equal(identityFor(m('INFO@x.example'), all)?.email, 'info@x.example');
  assert.equal(identityFor(m('other@x.example'), all)?.email, 'me@x.example');
});
