import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { MANIFEST_FILE } from '../../src/core/model/manifest.ts';
import { BadInput } from '../bad-input.ts';
import { ADAPTER_CONFIG } from '../merge/peft-adapter.ts';
import type { Inspection } from './inspection.ts';
import { inspectAdapter } from './inspect-adapter.ts';
import { inspectArtifact } from './inspect-artifact.ts';
import { inspectGguf } from './inspect-gguf.ts';
import { inspectOnnx } from './inspect-onnx.ts';
import { inspectSafetensors } from './inspect-safetensors.ts';

/**
 * Reads headers and configuration of whatever lies at `path`: an artifact folder, a checkpoint, an adapter, or one file of
 * safetensors, ONNX or GGUF. Reads no weights.
 *
 * @throws BadInput, MalformedFile
 */
export async function inspectPath(path: string): Promise<Inspection> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new BadInput(`${path}: found nothing, expected a model folder or file`);
  }
  if (found.isDirectory()) {
    return inspectFolder(path);
  }
  switch (extname(path)) {
    case '.onnx':
      return inspectOnnx(path);
    case '.gguf':
      return inspectGguf(path);
    default:
      return inspectSafetensors(path);
  }
}

async function inspectFolder(folder: string): Promise<Inspection> {
  const has = async (name: string): Promise<boolean> =>
    (await stat(join(folder, name)).catch(() => undefined)) !== undefined;
  if (await has(MANIFEST_FILE)) {
    return inspectArtifact(folder);
  }
  return (await has(ADAPTER_CONFIG)) ? inspectAdapter(folder) : inspectSafetensors(folder);
}
