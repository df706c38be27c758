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
    expect(config.keySha256).toEqual(new Uint8Array(32).fill(0xab));
    expect(config.upstream).toMatchObject({ apiKey: 'k', wire: 'image_embeds', model: 'vora-7b' });
    expect(readConfig({ ...GOOD, UPSTREAM_MODEL: 'other' }).upstream.model).toBe('other');
    expect(readConfig(GOOD)).toMatchObject({ keySha256: null, model: 'vora-7b', playground: true });
    expect(readConfig({ ...GOOD, PLAYGROUND: 'off' }).playground).toBe(false);
  });

  it.each([
    ['AUTH', { AUTH: undefined }],
    ['AUTH', { AUTH: '' }],
    ['AUTH', { AUTH: 'open' }],
    ['API_KEY_SHA256', { AUTH: 'key' }],
    ['API_KEY_SHA256', { AUTH: 'key', API_KEY_SHA256: 'the key itself' }],
    ['MODEL', { MODEL: '' }],
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

  it('never shows a secret', () => {
    expect(() => readConfig({ ...GOOD, AUTH: 'key', API_KEY_SHA256: 'hunter2' })).not.toThrow(/hunter2/);
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
