import { createHash } from 'node:crypto';
import { layoutSafetensors } from '../../src/core/bytes/safetensors-layout.ts';
import { type FileDigest, type Manifest, MANIFEST_FORMAT_VERSION } from '../../src/core/model/manifest.ts';
import type { TensorRef } from '../checkpoint.ts';
import { digestFile, type DigestOptions } from '../digest.ts';
import type { FloatDtype } from '../float-blocks.ts';
import { toolStamp } from '../tool-stamp.ts';
import type { MergeModel } from './merge-model.ts';
import { IMAGE_TOKEN } from './merged-config.ts';

/** The model's facts and where they come from. */
export async function mergedManifest(
  { llm, vision, name }: Pick<MergeModel, 'llm' | 'vision' | 'name'>,
  { weights, inputs }: { weights: FloatDtype; inputs: readonly FileDigest[] },
): Promise<Omit<Manifest, 'artifacts'>> {
  return {
    format: 'vora',
    formatVersion: MANIFEST_FORMAT_VERSION,
    kind: 'merged',
    name,
    weights: weights.toLowerCase(),
    llm,
    vision: vision === null ? null : await visionFacts(vision, llm.rmsNormEps),
    provenance: { ...(await toolStamp()), mergePrecision: 'f32', inputs: [...inputs] },
  };
}

async function visionFacts(
  { config, preprocessor, tensors }: NonNullable<MergeModel['vision']>,
  eps: number,
): Promise<NonNullable<Manifest['vision']>> {
  return {
    ...config.vision,
    eps,
    mean: preprocessor.mean,
    std: preprocessor.std,
    resize: preprocessor.resize,
    imageToken: IMAGE_TOKEN,
    sha256: await digestVision(tensors),
  };
}

/** Digest of the file that the vision embedding makes, whether it is written or not: 16 to 32 MB at 7B. */
async function digestVision(tensors: ReadonlyMap<string, TensorRef>): Promise<string> {
  const layout = layoutSafetensors([...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
  const hash = createHash('sha256').update(layout.header);
  for (const name of layout.tensors.keys()) {
    const tensor = tensors.get(name);
    if (tensor !== undefined) {
      hash.update(await tensor.source.slice(tensor.start, tensor.end));
    }
  }
  return hash.digest('hex');
}

/** Every input file with its digest. `ready` counts bytes of all files, in their order. */
export async function digestInputs(
  files: ReadonlyMap<string, string>,
  { ready, ...options }: DigestOptions,
): Promise<FileDigest[]> {
  const digests: FileDigest[] = [];
  let before = 0;
  for (const [path, file] of files) {
    const start = before;
    const digest = await digestFile(file, {
      ...options,
      ...(ready === undefined ? {} : { ready: async (position) => (await ready(start + position)) - start }),
    });
    digests.push({ path, ...digest });
    before += digest.bytes;
  }
  return digests;
}
