import { exports } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../worker/env.ts';

const GOOD = {
  MODEL: 'vora-7b',
  AUTH: 'none',
  UPSTREAM_URL: 'https://models.example/base/',
  UPSTREAM_WIRE: 'image_embeds',
  BUNDLE_SOURCE: 'assets',
  ASSETS: {},
};

describe('readConfig', () => {
  it('reads a whole configuration', () => {
    const config = readConfig({ ...GOOD, AUTH: 'key', API_KEY_SHA256: 'AB'.repeat(32), UPSTREAM_API_KEY: 'k' });
    expect(config.keys?.listed).toEqual([{ id: 'abababab', sha256: new Uint8Array(32).fill(0xab) }]);
    expect(config.upstreams).toMatchObject([
      { apiKey: 'k', wires: ['image_embeds'], model: 'vora-7b', server: 'vora' },
    ]);
    expect(readConfig({ ...GOOD, UPSTREAM_MODEL: 'other' }).upstreams[0]?.model).toBe('other');
    expect(readConfig(GOOD)).toMatchObject({ keys: null, metrics: 'off', analytics: null, model: 'vora-7b' });
    expect(readConfig(GOOD)).toMatchObject({ patchEmbed: 'kernel', playground: true });
    expect(readConfig({ ...GOOD, PATCH_EMBED: 'onnxruntime', PLAYGROUND: 'off' })).toMatchObject({
      patchEmbed: 'onnxruntime',
      playground: false,
    });
  });

  it.each([
    ['AUTH', { AUTH: undefined }],
    ['AUTH', { AUTH: '' }],
    ['AUTH', { AUTH: 'open' }],
    ['API_KEY_SHA256', { AUTH: 'key' }],
    ['API_KEY_SHA256', { AUTH: 'key', API_KEY_SHA256: 'the key itself' }],
    ['MODEL', { MODEL: '' }],
    ['PATCH_EMBED', { PATCH_EMBED: 'webgpu' }],
    ['PLAYGROUND', { PLAYGROUND: 'maybe' }],
    ['UPSTREAM_URL', { UPSTREAM_URL: 'models.example' }],
    ['UPSTREAM_URL', { UPSTREAM_URL: 'file:///x' }],
    ['UPSTREAM_WIRE', { UPSTREAM_WIRE: 'jpeg' }],
    ['BUNDLE_SOURCE', { BUNDLE_SOURCE: 'kv' }],
    ['ASSETS', { ASSETS: undefined }],
    ['PLAYGROUND', { PLAYGROUND: 'no' }],
    ['BUNDLES', { BUNDLE_SOURCE: 'r2' }],
  ])('names %s when it is wrong: %j', (name, change) => {
    expect(() => readConfig({ ...GOOD, ...change })).toThrow(new RegExp(`^Worker configuration: .*${name}: `));
  });

  it('serves tenants only with all that takes', () => {
    const bindings = { TENANTS: {}, TENANT_KEYS: {}, TENANT_DATA: {}, UPLOADS: {}, JOBS: {}, DELIVERIES: {} };
    const whole = { ...GOOD, AUTH: 'tenants', ADMIN_KEY_SHA256: 'ab'.repeat(32), ...bindings };
    expect(readConfig(whole)).toMatchObject({
      keys: { listed: [], store: null },
      tenancy: { gate: null, ownHost: null },
    });
    for (const name of ['ADMIN_KEY_SHA256', ...Object.keys(bindings)]) {
      expect(() => readConfig({ ...whole, [name]: undefined })).toThrow(new RegExp(`${name}: `));
    }
  });

  it('never shows a secret', () => {
    expect(() => readConfig({ ...GOOD, AUTH: 'key', API_KEY_SHA256: 'hunter2' })).not.toThrow(/hunter2/);
  });
});

const ENTRY = { name: 'eu-1', url: 'https://eu.example', server: 'vllm', wire: 'original' };
const SEVERAL = {
  ...GOOD,
  UPSTREAM_URL: '',
  KEY_EU: 'secret',
  UPSTREAMS: [
    {
      ...ENTRY,
      key: 'KEY_EU',
      model: 'VoRA-7B',
      weight: 3,
      near: { continents: ['EU'], countries: ['GB'], colos: ['LHR'] },
      lacks: ['tools'],
      first_byte_ms: 1000,
      idle_ms: 2000,
      cold_start_ms: 300_000,
    },
    { ...ENTRY, name: 'small', serves: 'vora-2b' },
  ],
  FALLBACKS: { 'vora-7b': ['vora-2b'] },
};

describe('several upstreams', () => {
  it('are read with all they say, from a list or from its JSON', () => {
    const config = readConfig(SEVERAL);
    expect(config.upstreams).toMatchObject([
      {
        name: 'eu-1',
        apiKey: 'secret',
        serves: 'vora-7b',
        model: 'VoRA-7B',
        weight: 3,
        near: { continents: ['EU'], countries: ['GB'], colos: ['LHR'] },
        firstByteMs: 1000,
        idleMs: 2000,
        coldStartMs: 300_000,
      },
      { name: 'small', apiKey: null, serves: 'vora-2b', model: 'vora-2b', weight: 1, coldStartMs: 0 },
    ]);
    expect(config.upstreams.map(({ can }) => [can.has('tools'), can.has('n')])).toEqual([
      [false, true],
      [true, true],
    ]);
    expect([...config.fallbacks]).toEqual([['vora-7b', ['vora-2b']]]);
    const text = { UPSTREAMS: JSON.stringify(SEVERAL.UPSTREAMS), FALLBACKS: JSON.stringify(SEVERAL.FALLBACKS) };
    expect(readConfig({ ...SEVERAL, ...text })).toEqual({ ...config, taskPrompts: expect.any(Function) as unknown });
  });

  it.each<[string, object]>([
    ['UPSTREAMS: expected JSON', { UPSTREAMS: '[{' }],
    ['UPSTREAMS: two entries have one name', { UPSTREAMS: [ENTRY, ENTRY] }],
    ['UPSTREAM_URL: leave it empty', { UPSTREAM_URL: 'https://models.example' }],
    ['UPSTREAMS[0].url: ', { UPSTREAMS: [{ ...ENTRY, url: 'ftp://x' }] }],
    ['UPSTREAMS[0].name: ', { UPSTREAMS: [{ ...ENTRY, name: 'EU 1' }] }],
    ['UPSTREAMS[0].server: ', { UPSTREAMS: [{ ...ENTRY, server: 'triton' }] }],
    ['UPSTREAMS[0].wire: ', { UPSTREAMS: [{ ...ENTRY, server: 'openai', wire: 'image_embeds' }] }],
    ['UPSTREAMS[0].lacks: ', { UPSTREAMS: [{ ...ENTRY, wire: 'pixels', lacks: ['usage'] }] }],
    ['UPSTREAMS[0].lacks[0]: ', { UPSTREAMS: [{ ...ENTRY, lacks: ['wings'] }] }],
    ['UPSTREAMS[0].weight: ', { UPSTREAMS: [{ ...ENTRY, weight: 0 }] }],
    ['UPSTREAMS[0].near.continents[0]: ', { UPSTREAMS: [{ ...ENTRY, near: { continents: ['Europe'] } }] }],
    ['UPSTREAMS[0].first_byte_ms: ', { UPSTREAMS: [{ ...ENTRY, first_byte_ms: 1 }] }],
    ['UPSTREAMS[0].cold_start_ms: ', { UPSTREAMS: [{ ...ENTRY, cold_start_ms: 1e9 }] }],
    ['UPSTREAMS[0].key: there is no secret KEY_US', { UPSTREAMS: [{ ...ENTRY, key: 'KEY_US' }] }],
    ['UPSTREAMS[0]: ', { UPSTREAMS: [{ ...ENTRY, wieght: 2 }] }],
    ["MODEL: no entry of UPSTREAMS serves 'vora-7b'", { UPSTREAMS: [{ ...ENTRY, serves: 'x' }] }],
    ["FALLBACKS.vora-7b: no upstream serves 'gpt'", { FALLBACKS: { 'vora-7b': ['gpt'] } }],
    ['HEDGE_AFTER_MS: ', { HEDGE_AFTER_MS: 5 }],
    ['SELF_TEST: ', { SELF_TEST: 'maybe' }],
    ['STREAM_GRACE_MS: ', { STREAM_GRACE_MS: 60_000 }],
  ])('are refused by variable and field: %s', (message, change) => {
    expect(() => readConfig({ ...SEVERAL, ...change })).toThrow(`Worker configuration: ${message}`);
  });

  it('are not asked for: one in variables of its own is enough, timeouts included', () => {
    const vars = { UPSTREAMS: [], FALLBACKS: '', HEDGE_AFTER_MS: '250', UPSTREAM_FIRST_BYTE_MS: '1000' };
    const config = readConfig({ ...GOOD, ...vars });
    expect(config).toMatchObject({ hedgeAfterMs: 250, upstreams: [{ firstByteMs: 1000, idleMs: 60_000 }] });
    const openai = readConfig({ ...GOOD, UPSTREAM_WIRE: 'original' });
    expect(openai).toMatchObject({ hedgeAfterMs: null, upstreams: [{ server: 'openai' }] });
    expect(() => readConfig({ ...GOOD, UPSTREAM_SERVER: 'openai' })).toThrow('UPSTREAM_WIRE: ');
  });
});

describe('the deployed entry', () => {
  it('refuses to run open: wrangler.toml asks for a key and no secret is set', async () => {
    const response = await exports.default.fetch('https://edge.test/v1/models');
    expect(response.status).toBe(500);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await response.json()).toMatchObject({
      error: { code: 'misconfigured', message: expect.stringContaining('API_KEY_SHA256') as string },
    });
  });
});
