import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { IMAGE_MAX_BYTES, UPLOAD_KEY_MAX_CHARS } from '../../../src/core/limits.ts';
import { text } from '../../support/json-answer.ts';
import { tenantUploads } from '../../../worker/uploads.ts';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { jobLine } from '../jobs/job-line.ts';
import { repositoryFile } from '../repository-file.ts';
import { dataUrl, question, testApp } from '../test-app.ts';

const PNG = await repositoryFile('test/fixtures/golden/images/png-rgb.png');
const URL_FIELD = 'messages[0].content[0].image_url.url';

/** Each route that takes an image, a body that names one, and its name for the field. */
const ROUTES: [route: string, body: (image: string) => object, param: string][] = [
  ['/v1/chat/completions', (url) => question('What?', url), URL_FIELD],
  [
    '/v1/responses',
    (url) => ({ input: [{ role: 'user', content: [{ type: 'input_image', image_url: url }] }] }),
    'input[0].content[0].image_url',
  ],
  ['/v1/caption', (image) => ({ image }), 'image'],
  ['/v1/ocr', (image) => ({ image }), 'image'],
  ['/v1/vqa', (image) => ({ image, question: 'What?' }), 'image'],
];

const upstream = fakeUpstream(goodAnswer());
const line = jobLine(upstream);
const { app } = line;
let alice: { id: string; key: string };
let bob: { id: string; key: string };

beforeAll(async () => {
  [alice, bob] = [await app.tenant(), await app.tenant()];
  await env.UPLOADS.put(`${alice.id}/in/a picture.png`, PNG);
});

async function ask(key: string, route: string, body: object) {
  const response = await app.fetch(route, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'vora-random', temperature: 0, ...body }),
  });
  return { status: response.status, json: await response.json<object>() };
}

const refuseToRead = () => {
  throw new Error('this object must not be read');
};

describe('an image named r2:KEY', () => {
  it.each(ROUTES)('is its owner’s upload: %s asks what it would ask of the file itself', async (route, body) => {
    const asked = upstream.calls.length;
    for (const image of ['r2:in/a picture.png', dataUrl(PNG)]) {
      expect((await ask(alice.key, route, body(image))).status).toBe(200);
    }
    const [uploaded, sent] = upstream.calls.slice(asked);
    expect(uploaded?.body['messages']).toEqual(sent?.body['messages']);
  });

  it.each(ROUTES)('is refused where there is none, and another’s is none: %s', async (route, body, param) => {
    const asked = upstream.calls.length;
    const missing = { status: 400, json: { error: { code: 'invalid_image_url', param } } };
    expect(await ask(alice.key, route, body('r2:in/b.png'))).toMatchObject(missing);
    const here = await ask(bob.key, route, body('r2:in/a picture.png'));
    const spelled = await ask(bob.key, route, body(`r2:${alice.id}/in/a picture.png`));
    expect(here).toMatchObject(missing);
    // Nothing tells whether it is there for somebody else.
    expect(spelled).toEqual(here);
    expect(upstream.calls).toHaveLength(asked);
  });

  it.each([
    ['steps out of the folder', 'r2:../ALICE/in/a picture.png'],
    ['steps out of it further in', 'r2:in/../../ALICE/in/a picture.png'],
    ['steps nowhere', 'r2:./in/a picture.png'],
    ['ends in a step', 'r2:in/..'],
    ['is empty', 'r2:'],
    ['is too long', `r2:${'a'.repeat(UPLOAD_KEY_MAX_CHARS + 1)}`],
  ])('is refused where its key %s', async (_, pattern) => {
    const image = pattern.replace('ALICE', alice.id);
    const refused = { status: 400, json: { error: { type: 'invalid_request_error', param: 'image', code: null } } };
    expect(await ask(bob.key, '/v1/caption', { image })).toMatchObject(refused);
    expect(
      await ask(bob.key, '/v1/jobs', { task: 'caption', image, model: undefined, temperature: undefined }),
    ).toMatchObject(refused);
  });

  it.each(['r2:%2e%2e/ALICE/in/a picture.png', 'r2:..\\ALICE\\in\\a picture.png', 'r2:/in/a picture.png'])(
    'is a name, not a path that somebody resolves: %s',
    async (pattern) => {
      const answer = await ask(bob.key, '/v1/caption', { image: pattern.replace('ALICE', alice.id) });
      expect(answer).toMatchObject({ status: 400, json: { error: { code: 'invalid_image_url', param: 'image' } } });
    },
  );

  it('is refused when it is too large, unread', async () => {
    await env.UPLOADS.put(`${alice.id}/large`, new Uint8Array(IMAGE_MAX_BYTES + 1));
    const answer = await ask(alice.key, '/v1/caption', { image: 'r2:large' });
    expect(answer).toMatchObject({ status: 413, json: { error: { code: 'image_too_large', param: 'image' } } });
    const object = { size: IMAGE_MAX_BYTES + 1, body: new ReadableStream(), arrayBuffer: refuseToRead };
    const bucket = { get: async () => object } as unknown as R2Bucket;
    await expect(tenantUploads(bucket, alice.id)('large', 'image', async () => undefined)).rejects.toThrow(
      'larger than',
    );
  });

  it('may stand in a chat that is a job', async () => {
    const chat = question('What?', 'r2:in/a picture.png');
    for (const [{ id, key }, status] of [
      [alice, 'succeeded'],
      [bob, 'failed'],
    ] as const) {
      const { json } = await app.call(key, 'POST', '/v1/jobs', { task: 'chat', chat });
      const job = text(json['id']);
      await line.run(id, job);
      expect((await app.call(key, 'GET', `/v1/jobs/${job}`)).json['status']).toBe(status);
    }
  });

  it('is refused by its field where the worker serves no tenants, and so no folder is anybody’s', async () => {
    const response = await testApp(upstream).chat(question('What?', 'r2:in/a picture.png'));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { param: URL_FIELD, message: expect.stringContaining('serves no tenants') as string },
    });
  });
});
