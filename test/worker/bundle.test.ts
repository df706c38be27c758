import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { assetFiles, openBundle, r2Files, type BundleFiles } from '../../worker/bundle.ts';
import { repositoryFile } from './repository-file.ts';
import { EDGE_BUNDLE } from './test-app.ts';

const manifest = await repositoryFile(`${EDGE_BUNDLE}vora.json`);
const graph = await repositoryFile(`${EDGE_BUNDLE}patch_embed.onnx`);

function files(content: Record<string, Uint8Array<ArrayBuffer>>): BundleFiles {
  return {
    read: async (path, limit) => (content[path] !== undefined && content[path].length <= limit ? content[path] : null),
  };
}

describe('openBundle', () => {
  it('reads a bundle from R2 under its prefix', async () => {
    await env.BUNDLES.put('vora-test/vora.json', manifest);
    await env.BUNDLES.put('vora-test/patch_embed.onnx', graph);
    const bundle = openBundle(r2Files(env.BUNDLES, 'vora-test/'));
    expect((await bundle.manifest()).kind).toBe('edge');
    expect(await bundle.graph()).toEqual(graph);
    await expect(openBundle(r2Files(env.BUNDLES, 'elsewhere/')).manifest()).rejects.toThrow(
      /vora\.json: found no such file/,
    );
  });

  it('reads a bundle from static assets', async () => {
    const assets = {
      fetch: (url: RequestInfo | URL) =>
        env.FILES.fetch(`http://files/?path=${EDGE_BUNDLE}${new Request(url).url.split('/').at(-1)}`),
    };
    const bundle = openBundle(assetFiles(assets));
    expect(await bundle.graph()).toEqual(graph);
    await expect(openBundle(assetFiles(env.FILES)).manifest()).rejects.toThrow(/no such file/);
  });

  it('refuses a graph that is not the manifest’s', async () => {
    const other = graph.slice();
    other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
    const bundle = openBundle(files({ 'vora.json': manifest, 'patch_embed.onnx': other }));
    await expect(bundle.graph()).rejects.toThrow(/patch_embed\.onnx: found sha256 [0-9a-f]{64}, expected [0-9a-f]{64}/);
  });

  const changed = (change: (json: Record<string, unknown>) => void): Uint8Array<ArrayBuffer> => {
    const json = JSON.parse(new TextDecoder().decode(manifest)) as Record<string, unknown>;
    change(json);
    return Uint8Array.from(new TextEncoder().encode(JSON.stringify(json)));
  };

  it.each([
    ['no JSON', Uint8Array.of(0x7b), /not JSON/],
    ['another kind', changed((json) => (json['kind'] = 'merged')), /kind merged, expected edge/],
    ['a newer format', changed((json) => (json['formatVersion'] = 2)), /vora\.json formatVersion/],
    [
      'of more patches than an image may have',
      changed((json) => {
        const resize = { mode: 'by-detail', minPixels: 3136, maxPixels: 14 * 14 * 4000 + 1 };
        json['vision'] = { ...(json['vision'] as object), resize };
      }),
      /vora\.json vision\.resize\.maxPixels: found expected at most 4000 patches/,
    ],
    ['an unknown field', changed((json) => (json['extra'] = 1)), /vora\.json/],
  ])('refuses a manifest that is %s', async (_, bytes, message) => {
    const bundle = openBundle(files({ 'vora.json': bytes, 'patch_embed.onnx': graph }));
    await expect(bundle.manifest()).rejects.toThrow(message);
    await expect(bundle.manifest()).rejects.toMatchObject({ failure: { kind: 'misconfigured' } });
  });

  it('reads the manifest once, and again after a failure', async () => {
    let reads = 0;
    const bundle = openBundle({
      read: async () => {
        reads++;
        return reads === 1 ? null : manifest;
      },
    });
    await expect(bundle.manifest()).rejects.toThrow(/no such file/);
    await bundle.manifest();
    await bundle.manifest();
    expect(reads).toBe(2);
  });
});
