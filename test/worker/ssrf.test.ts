import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { createApp } from '../../worker/app.ts';
import { type ImageSources, loadImage } from '../../worker/load-image.ts';
import { noUploads } from '../../worker/uploads.ts';
import { sendWebhook } from '../../worker/webhooks/send.ts';
import { newSigningPair } from '../../worker/webhooks/signing-keys.ts';
import { fakeUpstream, goodAnswer } from './fake-upstream.ts';
import { tenantApp } from './tenants/tenant-app.ts';

/** As a test waits for it, and what timers and clocks may be apart. */
const TIMEOUT_MS = 300;
const CLOCK_MS = 20;

const IP = 'its host is an IP address';
const NAME = 'its host is not a public name';
const CREDENTIALS = 'it holds a user name or password';
const PORT = 'it names a port';

/**
 * URLs that a client may not have fetched, by the one rule that refuses each: without its rule, a row is fetched. The forms
 * are those of the WHATWG URL standard, 3.5 (IPv4 in any base, full-width digits, percent escapes) and of RFC 4291, 6052,
 * 3056 and 4380 (addresses of IPv4 within IPv6).
 */
const REFUSED: Record<string, readonly string[]> = {
  'is not https:': [
    'http://example.com/a.png',
    'HTTP://example.com/a.png',
    'ftp://example.com/a.png',
    'ws://example.com/',
    'wss://example.com/',
    'file:///etc/passwd',
    'file://example.com/etc/passwd',
    'blob:https://example.com/1',
    'javascript:alert(1)',
    'gopher://example.com:70/1',
    'about:blank',
  ],
  [CREDENTIALS]: [
    'https://user:password@example.com/',
    'https://user@example.com/',
    'https://:password@example.com/',
    'https://example.com%2f@example.net/',
    'https://example.com:443@example.net/',
  ],
  [PORT]: ['https://example.com:8443/', 'https://example.com:22/', 'https://example.com:80/', 'https://example.com:0/'],
  [IP]: [
    // Loopback, unspecified.
    'https://127.0.0.1/',
    'https://127.1/',
    'https://127.255.255.254/',
    'https://0.0.0.0/',
    'https://0/',
    // Private, shared, link-local, benchmark, multicast, broadcast.
    'https://10.0.0.1/',
    'https://172.16.0.1/',
    'https://192.168.1.1/',
    'https://100.64.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://198.18.0.1/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    // A public one: names only.
    'https://8.8.8.8/',
    // Decimal, hexadecimal, octal, mixed, with a final dot, full-width, escaped.
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://017700000001/',
    'https://0x7f.0.0.0x1/',
    'https://127.0.0.1./',
    'https://１２７.0.0.1/',
    'https://127。0。0。1/',
    'https://%31%32%37.0.0.1/',
    'https://①②⑦.0.0.1/',
    // IPv6: loopback, unspecified, mapped, compatible, unique local, link-local, multicast, NAT64, 6to4, Teredo.
    'https://[::1]/',
    'https://[0:0:0:0:0:0:0:1]/',
    'https://[::]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a00:1]/',
    'https://[::127.0.0.1]/',
    'https://[fd00::1]/',
    'https://[fc00::1]/',
    'https://[fe80::1]/',
    'https://[ff02::1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[2001:0:7f00:1::]/',
    'https://[2606:4700:4700::1111]/',
  ],
  [NAME]: [
    'https://localhost/',
    'https://LOCALHOST./',
    'https://localhost../',
    'https://a.localhost/',
    'https://a.localhost../',
    'https://ｌocalhost/',
    'https://localhost.localdomain/',
    'https://intranet/',
    'https://kubernetes/',
    'https://printer.local/',
    'https://metadata.google.internal/computeMetadata/v1/',
    'https://metadata.google.internal./',
    'https://api.intranet/',
    'https://router.lan/',
    'https://nas.home.arpa/',
    'https://ldap.corp/',
    'https://db.private/',
    'https://a.test/',
    'https://a.invalid/',
    'https://a.onion/',
    'https://127.0.0.1.nip.io/',
    'https://10-0-0-1.sslip.io/',
    'https://127.0.0.1.xip.io/',
    'https://a.localtest.me/',
    'https://lvh.me/',
    'https://a..example.com/',
  ],
};
/** A zone in an address, or an escape that hides a delimiter: no URL at all. */
const NO_URL = [
  'https://[fe80::1%25eth0]/',
  'https://example.com%2f127.0.0.1/',
  'https://256.256.256.256/',
  'https://1.2.3.4.5/',
  'not a URL',
  '/relative.png',
  '',
];
const ALLOWED = [
  'https://example.com/a.png',
  'https://example.com:443/',
  'https://example.com./',
  'https://localhost.example.com/',
  'https://mylocal.example/',
  'https://mylvh.me/',
  'https://10.example.com/',
  'https://bücher.example/?a=https://127.0.0.1/',
];
const table = Object.entries(REFUSED).flatMap(([reason, urls]) => urls.map((url) => ({ reason, url })));
const picture = () => new Response(Uint8Array.of(1));
const from = (fetch: ImageSources['fetch']): ImageSources => ({
  fetch,
  uploads: noUploads,
  enter: async () => undefined,
  signal: new AbortController().signal,
});

/** What came of loading an image: the URLs that were fetched, and why no more. */
async function load(url: string, answers: (() => Response)[]): Promise<{ fetched: string[]; refused: string | null }> {
  const fetched: string[] = [];
  const fetcher = async (target: string) => {
    fetched.push(target);
    return (answers[fetched.length - 1] ?? picture)();
  };
  try {
    await loadImage(url, 'image', from(fetcher));
    return { fetched, refused: null };
  } catch (error) {
    if (error instanceof RequestError && error.failure.kind === 'image-unreachable') {
      return { fetched, refused: error.failure.message };
    }
    throw error;
  }
}

const redirect =
  (location: string, status = 302) =>
  () =>
    new Response(null, { status, headers: { location } });

describe('an image URL', () => {
  it.each(table)('is not fetched: $url, since $reason', async ({ url, reason }) => {
    const { fetched, refused } = await load(url, []);
    expect(fetched).toEqual([]);
    expect(refused).toContain(reason);
  });

  it.each(NO_URL)('is not fetched where it is none: %j', async (url) => {
    const { fetched, refused } = await load(url, []);
    expect(fetched).toEqual([]);
    expect(refused).toContain('it is not a data:, https: or r2: URL');
  });

  it.each(ALLOWED)('is fetched: %s', async (url) => {
    expect(await load(url, [])).toEqual({ fetched: [new URL(url).href], refused: null });
  });
});

it('a name that leads to a private address is the runtime’s to refuse, as wrangler.toml has it', () => {
  expect(Cloudflare.compatibilityFlags).toMatchObject({ global_fetch_strictly_public: true });
});

describe('a redirect', () => {
  // A header holds Latin-1.
  const inHeader = table.filter(({ url }) => /^[\x20-\x7e]*$/.test(url));

  it.each(inHeader)('is not followed: to $url', async ({ url, reason }) => {
    const { fetched, refused } = await load('https://example.com/', [redirect(url)]);
    expect(fetched).toEqual(['https://example.com/']);
    expect(refused).toContain(reason);
  });

  it.each([301, 302, 303, 307, 308])('of status %i is checked as every other, at every hop', async (status) => {
    const hops = [redirect('https://a.example/', status), redirect('//b.example/x', status)];
    const { fetched, refused } = await load('https://example.com/', [...hops, redirect('//10.0.0.1/', status)]);
    expect(fetched).toEqual(['https://example.com/', 'https://a.example/', 'https://b.example/x']);
    expect(refused).toContain(IP);
  });

  it('is followed three times', async () => {
    const hop = redirect('/again');
    expect((await load('https://example.com/', [hop, hop, hop])).refused).toBeNull();
    const { fetched, refused } = await load('https://example.com/', [hop, hop, hop, hop]);
    expect(fetched).toHaveLength(4);
    expect(refused).toContain('more than 3 redirects');
  });
});

describe('a request for an image', () => {
  it.each([201, 203, 206, 304, 404, 500])('takes nothing from an answer of status %i', async (status) => {
    const body = status === 304 ? null : 'a picture of the error';
    const { refused } = await load('https://example.com/', [() => new Response(body, { status })]);
    expect(refused).toContain(`its host answered ${status}`);
  });

  it('says what it takes and who asks, and nothing of the client', async () => {
    const seen: [string, string][][] = [];
    const fetcher = async (url: string, init: RequestInit) => {
      seen.push([...new Request(url, init).headers]);
      expect(init.redirect).toBe('manual');
      return seen.length === 1 ? redirect('https://cdn.example/')() : picture();
    };
    await loadImage('https://example.com/', 'image', from(fetcher));
    const headers = [
      ['accept', 'image/jpeg, image/png, image/webp, image/avif, image/gif'],
      ['user-agent', 'vora-edge'],
    ];
    expect(seen).toEqual([headers, headers]);
  });

  it.each([
    ['does not answer', '/silent'],
    ['redirects to one that does not answer', '/redirect'],
    ['stops in the middle of its answer', '/stalled'],
    ['draws its answer out', '/trickle'],
  ])(
    'ends after its time, where a host %s',
    async (_, path) => {
      const slow = (url: string, init: RequestInit) => env.STALLS.fetch(url, init);
      const began = Date.now();
      const loading = loadImage(`https://slow.example${path}`, 'image', { ...from(slow), timeoutMs: TIMEOUT_MS });
      await expect(loading).rejects.toThrow(`no answer within ${TIMEOUT_MS} ms`);
      expect(Date.now() - began).toBeGreaterThanOrEqual(TIMEOUT_MS - CLOCK_MS);
    },
    10_000,
  );
});

describe('a webhook URL', () => {
  const rows = [...table, { reason: 'its host is this worker', url: 'https://edge.example/hook' }];

  it.each(rows)('is not called: $url, since $reason', async ({ url, reason }) => {
    let calls = 0;
    const keys = { current: await newSigningPair(), previous: null, previousUntil: 0 };
    const result = await sendWebhook(
      url,
      { id: 'msg_1', body: '{}' },
      { keys, asymmetric: false, nowSeconds: 1_700_000_000 },
      {
        ownHost: 'edge.example',
        async fetch() {
          calls++;
          return new Response(null, { status: 204 });
        },
      },
    );
    expect(calls).toBe(0);
    expect(result).toMatchObject({ kind: 'failed', reason: expect.stringContaining(reason) as string });
  });

  describe('that is refused is not taken in either', () => {
    const app = tenantApp(fakeUpstream(goodAnswer()), { tenancy: { ownHost: 'edge.example' } });
    let key = '';
    beforeAll(async () => {
      ({ key } = await app.tenant());
    });

    it.each([...rows.map(({ url }) => url), ...NO_URL])('%j', async (url) => {
      const added = await app.call(key, 'POST', '/v1/tenant/webhooks', { url });
      expect(added).toMatchObject({ status: 400, json: { error: { param: 'url' } } });
      const body = { task: 'caption', image: 'https://images.example/a.png', webhook: url };
      expect(await app.call(key, 'POST', '/v1/jobs', body)).toMatchObject({
        status: 400,
        json: { error: { param: 'webhook' } },
      });
    });

    // By its setting, or by the name that this very request came to; in any case of letters, with a final dot or without.
    it.each([
      ['edge.example', 'other.example', 'edge.example'],
      ['Edge.Example.', 'other.example', 'edge.example'],
      [null, 'edge.example', 'edge.example'],
      [null, 'edge.example', 'EDGE.example.'],
      [null, 'edge.example.', 'edge.example'],
    ])('where the worker is %s and was called as %s: %s', async (ownHost, calledAs, host) => {
      const own = tenantApp(fakeUpstream(goodAnswer()), { tenancy: { ownHost } });
      const { key: ownKey } = await own.tenant();
      const add = async (url: string) => {
        const request = new Request(`https://${calledAs}/v1/tenant/webhooks`, {
          method: 'POST',
          headers: { authorization: `Bearer ${ownKey}` },
          body: JSON.stringify({ url }),
        });
        const response = await createApp(own.deps).fetch(request, {}, createExecutionContext());
        return [response.status, /its host is this worker/.test(await response.text())];
      };
      expect(await add(`https://${host}/hook`)).toEqual([400, true]);
      expect(await add('https://another.example/hook')).toEqual([201, false]);
    });

    it('while a public one is', async () => {
      expect((await app.call(key, 'POST', '/v1/tenant/webhooks', { url: ALLOWED[0] })).status).toBe(201);
    });
  });
});
