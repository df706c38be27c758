import { join } from 'node:path';
import { tensorPart } from '../../src/core/model/tensor-names.ts';
import { parseVoraConfig, type VoraConfig } from '../../src/core/model/vora-config.ts';
import { openCheckpoint, type TensorRef } from '../checkpoint.ts';
import { readOptionalJsonFile } from '../json-file.ts';
import { countWords, type Fact, type InspectedTensor, type Inspection, inspectionOf } from './inspection.ts';

/** A folder with safetensors, or one such file. */
export async function inspectSafetensors(path: string): Promise<Inspection> {
  const configPath = join(path, 'config.json');
  const json = await readOptionalJsonFile(configPath);
  const config = fieldOf(json, 'model_type') === 'vora' ? parseVoraConfig(configPath, json) : null;
  const tensors = await readTensors(path);
  const facts = config === null ? plainFacts(json) : voraFacts(config);
  return inspectionOf(
    {
      path,
      kind: kindOf(json, config),
      facts: [...facts, ...adapterFacts(config, tensors)],
      details: { manifest: null, config: config ?? json ?? null },
    },
    tensors,
  );
}

/** Headers only. @throws MalformedFile, BadInput */
export async function readTensors(path: string): Promise<InspectedTensor[]> {
  const checkpoint = await openCheckpoint(path);
  await checkpoint.close();
  return [...checkpoint.tensors.values()].map(inspectTensor);
}

function inspectTensor({ name, dtype, shape, start, end, source }: TensorRef): InspectedTensor {
  return { name, dtype, shape, bytes: end - start, file: source.name, part: tensorPart(name) };
}

export function voraFacts({ llm, vision }: Pick<VoraConfig, 'llm' | 'vision'>): Fact[] {
  return [
    {
      label: 'language',
      text: `${llm.architecture}, ${llm.layers} layers, hidden ${llm.hiddenSize}, vocabulary ${llm.vocabSize}`,
    },
    {
      label: 'vision',
      text: `${vision.imageSize} px, patch ${vision.patchSize}, ${vision.attentionMask} image mask`,
    },
  ];
}

function kindOf(json: unknown, config: VoraConfig | null): string {
  if (config !== null) {
    return 'VoRA checkpoint';
  }
  const modelType = fieldOf(json, 'model_type');
  return json === undefined
    ? 'safetensors'
    : `Hugging Face model, ${typeof modelType === 'string' ? modelType : 'of no named type'}`;
}

/** Of a model that is not VoRA: as its config.json has them, in whatever words. */
function plainFacts(json: unknown): Fact[] {
  const architectures = fieldOf(json, 'architectures');
  const number = (field: string): number => Number(fieldOf(json, field) ?? Number.NaN);
  const [layers, hidden] = [number('num_hidden_layers'), number('hidden_size')];
  if (Number.isNaN(layers) || Number.isNaN(hidden)) {
    return [];
  }
  const name = Array.isArray(architectures) ? `${String(architectures[0])}, ` : '';
  const text = `${name}${layers} layers, hidden ${hidden}, vocabulary ${number('vocab_size')}`;
  return [{ label: 'language', text }];
}

/** Merged or not, and the rank that the tensors themselves have. */
function adapterFacts(config: VoraConfig | null, tensors: readonly InspectedTensor[]): Fact[] {
  const ranks = tensors.flatMap(({ name, shape }) => (name.endsWith('.lora_A.weight') ? [`rank ${shape[0]}`] : []));
  if (config === null && ranks.length === 0) {
    return [];
  }
  if (ranks.length === 0) {
    return [{ label: 'adapters', text: 'none: merged already, or a base model' }];
  }
  const named = config?.lora ?? null;
  const told = named === null || named.rank < 0 ? 'config.json names none' : `on the first ${named.layers} layers`;
  return [{ label: 'adapters', text: `not merged, ${countWords(ranks)}, ${told}` }];
}

export function fieldOf(json: unknown, field: string): unknown {
  return typeof json === 'object' && json !== null ? Reflect.get(json, field) : undefined;
}
