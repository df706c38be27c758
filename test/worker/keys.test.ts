import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import { type ApiKeys, kvKeys } from '../../worker/api-keys.ts';
import { readConfig } from '../../worker/env.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { question, testApp, testConfig } from './test-app.ts';

const NOW_SECONDS = 1_700_000_000;

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Keys as the worker reads them from its variables. */
function configured(vars: object): ApiKeys | null {
  const others = {
    MODEL: 'm',
    UPSTREAM_URL: 'http://u.test',
    UPSTREAM_WIRE: 'original',
    BUNDLE_SOURCE: 'assets',
    ASSETS: {},
  };
  return readConfig({ ...others, AUTH: 'key', ...vars }).keys;
}

async function ask(keys: ApiKeys | null, key: string) {
  const app = testApp(fakeUpstream(goodAnswer()), { config: testConfig({ keys }) });
  const response = await app.chat(question('Hi'), { headers: { authorization: `Bearer ${key}` } });
  await response.text();
  return { status: response.status, key: app.outcomes[0]?.key ?? null };
}

describe('keys in the secret', () => {
  it('are several, named or not, and the log says which one it was', async () => {
    const [one, two] = [await sha256('first key'), await sha256('second')];
    const keys = configured({
      API_KEY_SHA256: `team-a:${await sha256('vora_aaaaaaaa_x')}, ${two.toUpperCase()}\n${one}`,
    });
    expect(await ask(keys, 'vora_aaaaaaaa_x')).toEqual({ status: 200, key: 'team-a' });
    expect(await ask(keys, 'second')).toEqual({ status: 200, key: two.slice(0, 8) });
    expect(await ask(keys, 'first')).toEqual({ status: 401, key: null });
    expect(await ask(keys, two)).toEqual({ status: 401, key: null });
    expect(await ask(keys, 'x'.repeat(300))).toEqual({ status: 401, key: null });
  });

  it('are all compared, in constant time, whichever it is', async () => {
    const all = ['one', 'two', 'three'];
    const keys = configured({ API_KEY_SHA256: (await Promise.all(all.map(sha256))).join() });
    const compare = vi.spyOn(crypto.subtle, 'timingSafeEqual');
    try {
      for (const key of [...all, 'none-of-them']) {
        compare.mockClear();
        expect((await ask(keys, key)).status).toBe(all.includes(key) ? 200 : 401);
        expect(compare).toHaveBeenCalledTimes(all.length);
      }
    } finally {
      compare.mockRestore();
    }
  });

  it.each([
    ['nothing', ''],
    ['a key', 'vora_abcdefgh_secret'],
    ['one that is no hash', `${'0'.repeat(64)} hello`],
    ['too many', Array(65).fill('0'.repeat(64)).join(' ')],
  ])('are not %s', (_, API_KEY_SHA256) => {
    expect(() => configured({ API_KEY_SHA256 })).toThrow(/API_KEY_SHA256: expected 1 to 64 SHA-256/);
  });
});

describe('keys in KV', () => {
  const keys = (): ApiKeys => ({ listed: [], store: kvKeys(env.KEY_RECORDS) });
  const put = async (id: string, record: object) => env.KEY_RECORDS.put(`api-key:${id}`, JSON.stringify(record));

  it('are found by the ID in the key, and open what their hash opens', async () => {
    await put('abcd1234', { sha256: await sha256('vora_abcd1234_right') });
    expect(await ask(keys(), 'vora_abcd1234_right')).toEqual({ status: 200, key: 'abcd1234' });
    expect((await ask(keys(), 'vora_abcd1234_wrong')).status).toBe(401);
    expect((await ask(keys(), 'vora_00000000_right')).status).toBe(401);
    expect((await ask(keys(), 'right')).status).toBe(401);
  });

  it('end when they expire', async () => {
    await put('old00000', { sha256: await sha256('vora_old00000_x'), expires: NOW_SECONDS });
    await put('new00000', { sha256: await sha256('vora_new00000_x'), expires: NOW_SECONDS + 1 });
    expect((await ask(keys(), 'vora_old00000_x')).status).toBe(401);
    expect((await ask(keys(), 'vora_new00000_x')).status).toBe(200);
  });

  it('open nothing when their record is broken', async () => {
    await put('bad00000', { sha256: 'x' });
    await env.KEY_RECORDS.put('api-key:bad00001', JSON.stringify([1]));
    expect((await ask(keys(), 'vora_bad00000_x')).status).toBe(401);
    expect((await ask(keys(), 'vora_bad00001_x')).status).toBe(401);
  });

  it('stand beside those in the secret', async () => {
    const both = configured({ API_KEYS: env.KEY_RECORDS, API_KEY_SHA256: await sha256('plain') });
    expect((await ask(both, 'plain')).status).toBe(200);
    expect((await ask(both, 'vora_abcd1234_right')).status).toBe(200);
    expect(configured({ API_KEYS: env.KEY_RECORDS })?.listed).toEqual([]);
  });
});
