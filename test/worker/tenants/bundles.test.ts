import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { NAMED_BUNDLES_HELD_MAX } from '../../../src/core/limits.ts';
import { openBundle, r2Files } from '../../../worker/bundle.ts';
import { holdNamedBundles, type NamedBundles, type Sight } from '../../../worker/named-bundles.ts';
import { createPatchEmbedder } from '../../../worker/patch-embedder.ts';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { repositoryFile } from '../repository-file.ts';
import { bundle, dataUrl, EDGE_BUNDLE, question, testUpstream } from '../test-app.ts';
import { tenantApp } from './tenant-app.ts';

const IMAGE = dataUrl(await repositoryFile('test/fixtures/golden/images/png-rgb.png'));
const ADAPTER = `receipts@${'b'.repeat(12)}`;
const OTHER_WEIGHTS = 'c'.repeat(64);

const namedBundle: NamedBundles = (name) => {
  const named = openBundle(r2Files(env.BUNDLES, `${name}/`));
  return { bundle: named, embedder: createPatchEmbedder('kernel', named) };
};

/** The same graph, told to be of other vision weights. */
beforeAll(async () => {
  const manifest = JSON.parse(new TextDecoder().decode(await repositoryFile(`${EDGE_BUNDLE}vora.json`))) as {
    vision: { sha256: string };
  };
  manifest.vision.sha256 = OTHER_WEIGHTS;
  await env.BUNDLES.put('receipts-v1/vora.json', JSON.stringify(manifest));
  await env.BUNDLES.put('receipts-v1/patch_embed.onnx', await repositoryFile(`${EDGE_BUNDLE}patch_embed.onnx`));
});

describe('a model with a bundle of its own', () => {
  it('is shown images by that bundle, others by the deployment’s', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = tenantApp(upstream, { deps: { namedBundle } });
    const models = {
      receipts: { serves: 'vora-random', adapter: ADAPTER, bundle: 'receipts-v1' },
      plain: { serves: 'vora-random' },
    };
    const { key } = await app.tenant({ models });
    const { vision } = await bundle.manifest();
    for (const [model, weights] of [
      ['receipts', OTHER_WEIGHTS],
      ['plain', vision.sha256],
    ]) {
      const { status } = await app.call(key, 'POST', '/v1/chat/completions', { model, ...question('What?', IMAGE) });
      expect(status).toBe(200);
      expect(upstream.calls.at(-1)?.headers.get('x-vora-vision')).toBe(weights);
    }
    expect(upstream.calls[0]?.body['model']).toBe(ADAPTER);
  });

  it('says whose configuration is wrong where there is no such bundle', async () => {
    const upstream = fakeUpstream(goodAnswer());
    const app = tenantApp(upstream, { deps: { namedBundle } });
    const { key } = await app.tenant({ models: { mine: { serves: 'vora-random', bundle: 'nowhere' } } });
    const asked = { model: 'mine', ...question('What?', IMAGE) };
    expect((await app.call(key, 'POST', '/v1/chat/completions', asked)).status).toBe(500);
    expect(upstream.calls).toEqual([]);
  });

  it('may be a model server’s of the deployment, and is part of its readiness', async () => {
    const upstreams = [testUpstream(), testUpstream({ name: 'other', serves: 'other', bundle: 'nowhere' })];
    const app = tenantApp(fakeUpstream(goodAnswer()), { config: { upstreams }, deps: { namedBundle } });
    const response = await app.fetch('/readyz');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ checks: { bundle: 'ok', 'bundle nowhere': 'failed' } });
  });
});

describe('bundles that an isolate holds', () => {
  it('are opened once, and no more than it has memory for', () => {
    const opened: string[] = [];
    const bundles = holdNamedBundles((name) => {
      opened.push(name);
      return {} as Sight;
    });
    const names = Array.from({ length: NAMED_BUNDLES_HELD_MAX + 1 }, (_, i) => `b${i}`);
    const [first = ''] = names;
    expect(bundles(first)).toBe(bundles(first));
    names.forEach(bundles);
    bundles(first);
    expect(opened).toEqual([...names, first]);
  });
});
