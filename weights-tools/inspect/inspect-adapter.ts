import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { parseAdapterName } from '../../src/core/model/adapter-names.ts';
import { refusePickle } from '../checkpoint.ts';
import { readJsonFile } from '../json-file.ts';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../merge/peft-adapter.ts';
import { parsePeftConfig } from '../merge/peft-config.ts';
import { countWords, type Fact, type Inspection, inspectionOf } from './inspection.ts';
import { fieldOf, readTensors } from './inspect-safetensors.ts';

/** A PEFT adapter. Says what merge would refuse it for, and shows it all the same. */
export async function inspectAdapter(folder: string): Promise<Inspection> {
  const configPath = join(folder, ADAPTER_CONFIG);
  const config = await readJsonFile(configPath);
  const files = await readdir(folder);
  if (!files.includes(ADAPTER_WEIGHTS)) {
    refusePickle(folder, files);
  }
  const tensors = (await readTensors(join(folder, ADAPTER_WEIGHTS))).map((tensor) => {
    const part = parseAdapterName(tensor.name)?.part;
    return { ...tensor, part: part === undefined ? 'other' : PARTS[part] };
  });
  const ranks = tensors.flatMap(({ part, shape }) =>
    part === PARTS.a || part === PARTS.embeddingA ? [`rank ${shape[0]}`] : [],
  );
  const facts: Fact[] = [
    { label: 'base', text: textOf(fieldOf(config, 'base_model_name_or_path')) },
    { label: 'rank', text: ranks.length === 0 ? textOf(fieldOf(config, 'r')) : countWords(ranks) },
    { label: 'scaling', text: describeScaling(config) },
    { label: 'targets', text: textOf(fieldOf(config, 'target_modules')) },
    ...['modules_to_save', 'rank_pattern', 'alpha_pattern', 'init_lora_weights'].flatMap((field) =>
      isEmpty(fieldOf(config, field)) ? [] : [{ label: field, text: textOf(fieldOf(config, field)) }],
    ),
    { label: 'merge', text: describeMerge(configPath, config) },
  ];
  const kind = `PEFT adapter, ${textOf(fieldOf(config, 'peft_type'))}`;
  return inspectionOf({ path: folder, kind, facts, details: { manifest: null, config } }, tensors);
}

const PARTS = {
  a: 'A of linears',
  b: 'B of linears',
  bBias: 'biases of B',
  embeddingA: 'A of embeddings',
  embeddingB: 'B of embeddings',
  magnitude: 'DoRA magnitudes',
  tokens: 'rows of trained tokens',
  weight: 'whole weights',
  bias: 'whole biases',
  baseWeight: "the base's own weights",
  baseBias: "the base's own biases",
} as const;

function describeScaling(config: unknown): string {
  const rslora = fieldOf(config, 'use_rslora') === true ? 'alpha/√r (rslora)' : 'alpha/r';
  const dora = fieldOf(config, 'use_dora') === true ? ', DoRA' : '';
  return `${rslora}, alpha ${textOf(fieldOf(config, 'lora_alpha'))}${dora}`;
}

function describeMerge(path: string, config: unknown): string {
  try {
    const { warnings } = parsePeftConfig(path, config, false);
    return ['possible by its config', ...warnings].join('; ');
  } catch (error) {
    if (error instanceof MalformedFile) {
      return `refused: ${error.message.replace(`${path}: `, `${basename(path)}: `)}`;
    }
    throw error;
  }
}

/** Short enough for a line, whatever the file holds. */
function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'not named');
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** PEFT writes every field, most of them as nothing; `true` is its default initialisation. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === true || ['{}', '[]'].includes(JSON.stringify(value) ?? '');
}
