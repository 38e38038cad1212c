import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, JmapError, pointer } from '../src/jmap/client.ts';
import type { Session } from '../src/jmap/types.ts';

interface Sent {
  using: string[];
  methodCalls: [string, Record<string, unknown>, string][];
}

function makeClient(answer: (request: Sent) => { status?: number; body: unknown }, calls = 16) {
  const sent: Sent[] = [];
  const client = new Client({
    fetch: async (_url, init) => {
      const request = JSON.parse(String(init?.body)) as Sent;
      sent.push(request);
      const { status = 200, body } = answer(request);
      return new Response(JSON.stringify(body), { status });
    },
  });
  client.session = {
    capabilities: { 'urn:ietf:params:jmap:core': { maxCallsInRequest: calls } },
    primaryAccounts: { 'urn:ietf:params:jmap:mail': 'A1' },
    accounts: {},
    apiUrl: '/jmap/api',
    state: 's',
  } as unknown as Session;
  return { client, sent };
}
const echo = (r: Sent) => ({ body: { methodResponses: r.methodCalls, sessionState: 's' } });

test('the calls of one tick leave as one request, in order', async () => {
  const { client, sent } = makeClient(echo);
  const one = client.call('Core/echo', { a: 1 });
  const two = client.call('Core/echo', { a: 2 });
  assert.equal((await one).a, 1);
  assert.equal((await two).a, 2);
  assert.equal(sent.length, 1);
  assert.deepEqual(sent[0]!.methodCalls.map((c) => c[1]), [{ accountId: 'A1', a: 1 }, { accountId: 'A1', a: 2 }]);
});

test('a call in the next tick is another request', async () => {
  const { client, sent } = makeClient(echo);
  await client.call('Core/echo', { a: 1 });
  await client.call('Core/echo', { a: 2 });
  assert.equal(sent.length, 2);
});

test('no request has more calls than the server takes, and references stay in their request', async () => {
  const { client, sent } = makeClient(echo, 2);
  const first = client.call('Email/query', {});
  void client.call('Core/echo', { a: 1 });
  void client.call('Core/echo', { a: 2 });
  await client.call('Email/get', { '#ids': first.ref('/ids') });
  assert.equal(sent.length, 2);
  const last = sent[0]!.methodCalls.at(-1)!;
  assert.equal(last[0], 'Email/get');
  assert.deepEqual(last[1]['#ids'], { resultOf: sent[0]!.methodCalls[0]![2], name: 'Email/query', path: '/ids' });
});

test('a method error is the error of its call only', async () => {
  const { client } = makeClient((r) => ({
    body: {
      methodResponses: [['error', { type: 'unknownMethod' }, r.methodCalls[0]![2]], r.methodCalls[1]],
      sessionState: 's',
    },
  }));
  const bad = client.call('Core/echo', { a: 1 });
  const good = client.call('Core/echo', { a: 2 });
  await assert.rejects(bad, (e: JmapError) => e.type === 'unknownMethod');
  assert.equal((await good).a, 2);
});

test('implicit answers do not replace the call’s own', async () => {
  const { client } = makeClient((r) => ({
    body: {
      methodResponses: [r.methodCalls[0], ['Email/set', { implicit: true }, r.methodCalls[0]![2]]],
      sessionState: 's',
    },
  }));
  assert.equal((await client.call('Core/echo', { a: 1 })).a, 1);
});

test('HTTP errors become their types', async () => {
  let ended = 0;
  const cases: [number, unknown, string][] = [
    [401, { type: 'session' }, 'session'],
    [503, {}, 'busy'],
    [400, { type: 'urn:ietf:params:jmap:error:limit' }, 'limit'],
    [500, 'x', 'http'],
  ];
  for (const [status, body, type] of cases) {
    const client = new Client({
      fetch: async () => new Response(JSON.stringify(body), { status }),
      onSessionEnd: () => ended++,
    });
    await assert.rejects(client.call('Core/echo', {}), (e: JmapError) => e.type === type);
  }
  assert.equal(ended, 1);
  const offline = new Client({ fetch: () => Promise.reject(new TypeError('x')) });
  await assert.rejects(offline.call('Core/echo', {}), (e: JmapError) => e.type === 'offline');
});

test('patch tokens are escaped', () => {
  assert.equal(pointer('a/b~c'), 'a~1b~0c');
});
