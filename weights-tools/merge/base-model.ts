import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type LlmShape, parseLlmConfig } from '../../src/core/model/llm-config.ts';
import { EMBED_TOKENS, LM_HEAD, llmShapes } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import { type Checkpoint, openCheckpoint, type TensorRef } from '../checkpoint.ts';
import { readOptionalJsonFile } from '../json-file.ts';
import { compareTensors, refuseProblems } from '../tensor-set.ts';

/** A plain language model as Hugging Face folders hold it: config.json and safetensors. */
export interface BaseModel {
  readonly folder: string;
  readonly configFile: string;
  readonly config: object;
  readonly llm: LlmShape;
  readonly checkpoint: Checkpoint;
}

/** Buffers that old transformers saved and new ones compute. */
const COMPUTED = /\.rotary_emb\.inv_freq$/;

/** @throws BadInput, MalformedFile */
export async function openBaseModel(folder: string): Promise<BaseModel> {
  if ((await stat(folder).catch(() => undefined))?.isDirectory() !== true) {
    throw new BadInput(`${folder}: found no folder, expected a language model: config.json and safetensors`);
  }
  const configFile = join(folder, 'config.json');
  const config = await requireConfig(configFile);
  const quantization: unknown = Reflect.get(config, 'quantization_config');
  if (quantization !== undefined && quantization !== null) {
    const method = String(Reflect.get(Object(quantization) as object, 'quant_method'));
    throw new BadInput(
      `${configFile}: quantization_config: found ${method}, expected none: a merge needs the model's own weights in F32, BF16 ` +
        'or F16, not a quantized copy',
    );
  }
  const llm = parseLlmConfig(configFile, config);
  return { folder, configFile, config, llm, checkpoint: await openCheckpoint(folder) };
}

/** @throws BadInput for what is no config.json */
export async function requireConfig(path: string): Promise<object> {
  const json = await readOptionalJsonFile(path);
  if (typeof json !== 'object' || json === null) {
    throw new BadInput(`${path}: found ${json === undefined ? 'nothing' : 'no JSON object'}, expected a config.json`);
  }
  return json;
}

/**
 * The tensors of a plain model, in the order of the forward pass, and those that are no part of it: computed buffers, and the
 * second copy of tied embeddings.
 *
 * @throws BadInput when one is missing, misshapen or left over
 */
export function baseTensors(
  llm: LlmShape,
  tensors: ReadonlyMap<string, TensorRef>,
  configFile: string,
): { llm: Map<string, TensorRef>; dropped: TensorRef[] } {
  const isDropped = (name: string): boolean =>
    COMPUTED.test(name) || (name === LM_HEAD && llm.tieWordEmbeddings && tensors.has(EMBED_TOKENS));
  const kept = new Map([...tensors].filter(([name]) => !isDropped(name)));
  const shapes = llmShapes(llm);
  refuseProblems(compareTensors(shapes, kept), configFile);
  const ordered = [...shapes.keys()].flatMap((name) => {
    const tensor = kept.get(name);
    return tensor === undefined ? [] : [[name, tensor] as const];
  });
  return {
    llm: new Map(ordered),
    dropped: [...tensors].filter(([name]) => isDropped(name)).map(([, tensor]) => tensor),
  };
}
