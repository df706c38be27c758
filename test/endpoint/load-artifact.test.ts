import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import type { SeeingManifest } from '../../src/core/model/manifest.ts';
import { loadArtifact } from '../../src/endpoint/load-artifact.ts';
import { startEndpoint } from '../../src/endpoint/start.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vora-artifact-'));
  await cp(inject('artifacts').onnx, folder, { recursive: true });
});

afterEach(() => rm(folder, { recursive: true }));

async function changeManifest(change: (manifest: SeeingManifest) => unknown): Promise<void> {
  const path = join(folder, 'vora.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as SeeingManifest;
  change(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

async function flipLastByte(name: string): Promise<void> {
  const bytes = await readFile(join(folder, name));
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  await writeFile(join(folder, name), bytes);
}

/** Loads what is left of the folder, sessions and all. */
async function start(): Promise<string> {
  try {
    await (await startEndpoint({ model: folder, host: '127.0.0.1', port: 0 })).stop(0);
    return 'started';
  } catch (error) {
    return error instanceof MalformedFile ? error.message.replace(`${folder}/`, '') : `another error: ${String(error)}`;
  }
}

describe('loadArtifact', () => {
  it('takes what vora export wrote', async () => {
    const { manifest, sampling } = await loadArtifact(folder);
    expect(manifest.kind).toBe('onnx');
    expect(sampling).toEqual({ temperature: 0, topK: 0, topP: 1 });
    expect(await start()).toBe('started');
  });

  it.each([
    [
      { do_sample: true, temperature: 0.7, top_p: 0.8, top_k: 20 },
      { temperature: 0.7, topP: 0.8, topK: 20 },
    ],
    [
      { do_sample: false, temperature: 0.7 },
      { temperature: 0, topP: 1, topK: 0 },
    ],
    [
      { do_sample: null, temperature: null, top_p: null, top_k: null },
      { temperature: 1, topP: 1, topK: 0 },
    ],
    [{}, { temperature: 1, topP: 1, topK: 0 }],
    [undefined, { temperature: 1, topP: 1, topK: 0 }],
  ])('samples by the generation config %j', async (config, sampling) => {
    const name = 'generation_config.json';
    await rm(join(folder, name));
    await changeManifest((manifest) => {
      manifest.artifacts = manifest.artifacts.filter(({ path }) => path !== name);
    });
    if (config !== undefined) {
      const text = JSON.stringify(config);
      await writeFile(join(folder, name), text);
      const sha256 = createHash('sha256').update(text).digest('hex');
      await changeManifest((manifest) => manifest.artifacts.push({ path: name, bytes: text.length, sha256 }));
    }
    expect((await loadArtifact(folder)).sampling).toEqual(sampling);
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['no manifest', () => rm(join(folder, 'vora.json')), /^vora\.json: file: found none/],
    ['half a manifest', () => writeFile(join(folder, 'vora.json'), '{"format":'), /^vora\.json: JSON/],
    [
      'a manifest of another version',
      () => changeManifest((m) => Object.assign(m, { formatVersion: 2 })),
      /^vora\.json: formatVersion/,
    ],
    [
      'another kind',
      () => changeManifest((m) => Object.assign(m, { kind: 'merged' })),
      /^vora\.json: kind: found "merged", expected "onnx"/,
    ],
    ['a missing file', () => rm(join(folder, 'decoder.onnx.data')), /^decoder\.onnx\.data: file: found none/],
    ['a cut file', () => writeFile(join(folder, 'tokenizer.json'), '{}'), /^tokenizer\.json: size: found 2 bytes/],
    ['a changed file', () => flipLastByte('decoder.onnx.data'), /^decoder\.onnx\.data: sha256: found/],
    [
      'a graph nobody listed',
      () => changeManifest((m) => (m.artifacts = m.artifacts.filter(({ path }) => path !== 'patch_embed.onnx'))),
      /artifacts: found no patch_embed\.onnx/,
    ],
    [
      'another hidden size',
      () => changeManifest((m) => (m.llm.hiddenSize = 64)),
      /^decoder\.onnx: input inputs_embeds: found float32 \[batch, sequence, 128\], expected float32 \[batch, sequence, 64\]/,
    ],
    [
      'another vocabulary',
      () => changeManifest((m) => (m.llm.vocabSize = 1000)),
      /^decoder\.onnx: output logits: .*expected float32 \[batch, kept, 1000\]/,
    ],
    [
      'more layers',
      () => changeManifest((m) => m.llm.layers++),
      /^decoder\.onnx: input past_key_values\.4\.key: found none/,
    ],
    [
      'fewer layers',
      () => changeManifest((m) => m.llm.layers--),
      /^decoder\.onnx: input past_key_values\.3\.key: found it in the graph/,
    ],
    ['another patch size', () => changeManifest((m) => (m.vision.patchSize = 16)), /^patch_embed\.onnx: input patches/],
  ])('refuses %s', async (_name, spoil, message) => {
    await spoil();
    expect(await start()).toMatch(message);
  });
});
