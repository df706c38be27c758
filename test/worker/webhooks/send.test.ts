import { Webhook } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { describe, expect, it } from 'vitest';
import { sendWebhook } from '../../../worker/webhooks/send.ts';
import { newSigningPair, publicKeySet, rotate, type SigningKeys } from '../../../worker/webhooks/signing-keys.ts';

interface Received {
  url: string;
  headers: Record<string, string>;
  body: string;
  redirect: string | undefined;
}

const MESSAGE = { id: 'msg_1', body: JSON.stringify({ type: 'webhook.test', data: { text: 'ä “quoted” 🐈' } }) };
/** What both libraries say of a signature or a time that is not right. */
const REFUSED = /No matching signature|timestamp too (old|new)/i;
const now = () => Math.floor(Date.now() / 1000);

async function freshKeys(): Promise<SigningKeys> {
  return { current: await newSigningPair(), previous: null, previousUntil: 0 };
}

async function send(keys: SigningKeys, options: { url?: string; seconds?: number; answer?: () => Response } = {}) {
  const received: Received[] = [];
  const result = await sendWebhook(
    options.url ?? 'https://receiver.example/hook',
    MESSAGE,
    { keys, asymmetric: true, nowSeconds: options.seconds ?? now() },
    {
      ownHost: 'edge.example',
      async fetch(url, init) {
        const request = new Request(url, init);
        received.push({
          url,
          headers: Object.fromEntries(request.headers),
          body: await request.text(),
          redirect: init.redirect,
        });
        return options.answer?.() ?? new Response(null, { status: 204 });
      },
    },
  );
  return { result, received, headers: received[0]?.headers ?? {}, body: received[0]?.body ?? '' };
}

describe('a webhook', () => {
  it('is verified by standardwebhooks and by svix', async () => {
    const keys = await freshKeys();
    const { result, headers, body } = await send(keys);
    expect(result).toEqual({ kind: 'delivered', status: 204 });
    expect(new Webhook(keys.current.secret).verify(body, headers)).toEqual(JSON.parse(MESSAGE.body));
    expect(() => new Svix(keys.current.secret).verify(body, headers)).not.toThrow();
    expect(headers).toMatchObject({ 'webhook-id': 'msg_1', 'content-type': 'application/json' });
  });

  it.each([
    ['a changed body', async (keys: SigningKeys) => send(keys).then((sent) => ({ ...sent, body: `${sent.body} ` }))],
    ['an old timestamp', async (keys: SigningKeys) => send(keys, { seconds: now() - 301 })],
    ['a later timestamp', async (keys: SigningKeys) => send(keys, { seconds: now() + 320 })],
    ['another secret', async () => send(await freshKeys())],
  ])('is refused by both with %s', async (_, sending) => {
    const keys = await freshKeys();
    const { headers, body } = await sending(keys);
    expect(() => new Webhook(keys.current.secret).verify(body, headers)).toThrow(REFUSED);
    expect(() => new Svix(keys.current.secret).verify(body, headers)).toThrow(REFUSED);
  });

  it('is refused with a timestamp that was replaced', async () => {
    const keys = await freshKeys();
    const { headers, body } = await send(keys, { seconds: now() - 10 });
    const moved = { ...headers, 'webhook-timestamp': String(now()) };
    expect(() => new Webhook(keys.current.secret).verify(body, moved)).toThrow('No matching signature');
  });

  it('has an Ed25519 signature that the published key verifies', async () => {
    const keys = await freshKeys();
    const { headers, body } = await send(keys);
    const [jwk] = publicKeySet(keys, now()).keys;
    const key = await crypto.subtle.importKey('jwk', jwk ?? { kty: '' }, { name: 'Ed25519' }, false, ['verify']);
    const signature = /v1a,(\S+)/.exec(headers['webhook-signature'] ?? '')?.[1] ?? '';
    const bytes = Uint8Array.from(atob(signature), (char) => char.charCodeAt(0));
    const signed = (text: string) =>
      new TextEncoder().encode(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`);
    expect(await crypto.subtle.verify({ name: 'Ed25519' }, key, bytes, signed(body))).toBe(true);
    expect(await crypto.subtle.verify({ name: 'Ed25519' }, key, bytes, signed(`${body} `))).toBe(false);
    expect(jwk?.whpk).toBe(`whpk_${keys.current.publicKey}`);
  });

  it('loses no receiver in a rotation: old and new secret verify until the old one ends', async () => {
    let keys = await freshKeys();
    const seconds = now();
    for (let turn = 0; turn < 3; turn++) {
      const old = keys.current.secret;
      keys = rotate(keys, await newSigningPair(), seconds);
      const { headers, body } = await send(keys, { seconds });
      for (const secret of [old, keys.current.secret]) {
        expect(new Webhook(secret).verify(body, headers)).toBeDefined();
        expect(() => new Svix(secret).verify(body, headers)).not.toThrow();
      }
      expect(publicKeySet(keys, seconds).keys).toHaveLength(2);
      const later = await send({ ...keys, previousUntil: seconds }, { seconds });
      expect(() => new Webhook(old).verify(later.body, later.headers)).toThrow(REFUSED);
    }
  });
});

describe('a receiver', () => {
  it('that redirects is not followed', async () => {
    const location = 'https://elsewhere.example/';
    const answer = () => new Response(null, { status: 307, headers: { location } });
    const { result, received } = await send(await freshKeys(), { answer });
    expect(result).toMatchObject({ kind: 'failed', status: 307, reason: 'redirect 307 is not followed' });
    expect(received.map(({ url, redirect }) => [url, redirect])).toEqual([['https://receiver.example/hook', 'manual']]);
  });

  it('that asks for time is given it', async () => {
    const answer = () => new Response(null, { status: 429, headers: { 'retry-after': '120' } });
    const { result } = await send(await freshKeys(), { answer });
    expect(result).toMatchObject({ status: 429, retryAfterSeconds: 120 });
  });

  it('that is silent is given up', async () => {
    const keys = await freshKeys();
    const result = await sendWebhook(
      'https://receiver.example/',
      MESSAGE,
      { keys, asymmetric: false, nowSeconds: now() },
      {
        ownHost: null,
        timeoutMs: 20,
        fetch: (_, { signal }) =>
          new Promise((_resolve, reject) => {
            signal?.addEventListener('abort', () => reject(new Error('aborted')));
          }),
      },
    );
    expect(result).toMatchObject({ kind: 'failed', status: null, reason: 'no answer within 20 ms' });
  });

  it.each([
    'http://receiver.example/',
    'https://user:pass@receiver.example/',
    'https://receiver.example:8443/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://10.1.2.3/',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[fd00::1]/',
    'https://8.8.8.8/',
    'https://localhost/',
    'https://metadata.google.internal/',
    'https://a.localdomain/',
    'https://10.0.0.1.nip.io/',
    'https://localtest.me/',
    'https://edge.example/v1/jobs',
    'https://EDGE.example./v1/jobs',
    'not a URL',
  ])('at %s is never called', async (url) => {
    const { result, received } = await send(await freshKeys(), { url });
    expect(result).toMatchObject({ kind: 'failed', status: null });
    expect(received).toEqual([]);
  });
});
