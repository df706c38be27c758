import type { AdapterPart } from '../../src/core/model/adapter-names.ts';
import { EMBED_TOKENS, LM_HEAD } from '../../src/core/model/tensor-names.ts';
import type { TensorRef } from '../checkpoint.ts';
import { equalTensors } from '../equal-tensors.ts';
import { compareShape, leftover, where } from '../tensor-set.ts';
import type { TrainedRows } from './changed-rows.ts';
import type { Term } from './combined-rows.ts';
import type { Magnitude } from './dora-rows.ts';
import { embeddingFactors, linearFactors } from './low-rank.ts';
import type { CombineMethod } from './merge-request.ts';
import type { AdapterModule, PeftAdapter } from './peft-adapter.ts';
import { isOrEndsWith } from './peft-config.ts';

/** What adapters do to one weight, in this order. Everything but `terms` comes from one adapter alone. */
export interface WeightChange {
  /** Stands in the base's place. */
  replaced: TensorRef | null;
  trainedRows: TrainedRows | null;
  /** Added, each low rank. */
  readonly terms: Term[];
  magnitude: Magnitude | null;
  /** Added to a bias. */
  readonly biases: { readonly values: TensorRef; readonly scale: number }[];
}

/** By name of the weight. */
export type WeightChanges = Map<string, WeightChange>;

export function noChange(): WeightChange {
  return { replaced: null, trainedRows: null, terms: [], magnitude: null, biases: [] };
}

/**
 * Enters what an adapter does, and says what of it cannot be done: a line for each tensor that is missing, misshapen, of
 * another rank than the config says, or that nothing takes.
 *
 * @param shapes of the result's weights, the head of a model with tied embeddings included
 */
export async function addPeftChanges(
  changes: WeightChanges,
  adapter: PeftAdapter,
  shapes: ReadonlyMap<string, readonly number[]>,
  method: CombineMethod,
): Promise<string[]> {
  const problems: string[] = [];
  for (const [module, found] of adapter.modules) {
    const scope = { adapter, module, found, shapes, problems, changes };
    addLowRank(scope);
    await addReplacements(scope);
    addTrainedRows(scope);
    for (const [part, tensor] of found.parts) {
      const only = part === 'bBias' && method.kind !== 'exact' ? 'lora_bias' : onlyWhole(part);
      if (only !== null && (adapter.weight !== 1 || method.kind !== 'exact')) {
        const asked = adapter.weight === 1 ? `--method ${method.kind}` : `weight ${adapter.weight}`;
        problems.push(`${where(tensor)}: found ${only} with ${asked}, expected weight 1 and --method exact`);
      }
    }
  }
  return [...problems, ...missingParts(adapter, shapes)];
}

interface Scope {
  readonly adapter: PeftAdapter;
  readonly module: string;
  readonly found: AdapterModule;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly problems: string[];
  readonly changes: WeightChanges;
}

/** What has no share: it is there or not. */
function onlyWhole(part: AdapterPart): string | null {
  switch (part) {
    case 'magnitude':
      return 'DoRA';
    case 'tokens':
      return 'trained token rows';
    case 'weight':
    case 'bias':
    case 'baseBias':
      return 'a replaced weight';
    case 'bBias':
    case 'a':
    case 'b':
    case 'embeddingA':
    case 'embeddingB':
    case 'baseWeight':
      return null;
  }
}

function addLowRank(scope: Scope): void {
  const { adapter, module, found, shapes, problems, changes } = scope;
  const { parts, peftModule } = found;
  const weight = `${module}.weight`;
  const isEmbedding = weight === EMBED_TOKENS;
  const [linear, embedding] = [['a', 'b'] as const, ['embeddingA', 'embeddingB'] as const];
  const [own, foreign] = isEmbedding ? [embedding, linear] : [linear, embedding];
  const [rows, columns] = shapes.get(weight) ?? [];
  const taken = [...own, 'magnitude', 'bBias'] as const;
  const leftovers = columns === undefined ? [...foreign, ...taken] : foreign;
  problems.push(...leftovers.flatMap((part) => parts.get(part) ?? []).map(leftover));
  if (rows === undefined || columns === undefined) {
    return;
  }
  const [a, b, magnitude, bBias] = taken.map((part) => parts.get(part));
  if (a === undefined || b === undefined) {
    const halves = [a, b, magnitude, bBias].flatMap((tensor) => tensor ?? []);
    problems.push(
      ...halves.map((half) => `${where(half)}: found it alone, expected both lora_A and lora_B of ${peftModule}`),
    );
    return;
  }
  const rank = adapter.config.rank(peftModule);
  const [inputs, outputs] = isEmbedding ? [rows, columns] : [columns, rows];
  problems.push(...compareShape(a, [rank, inputs]), ...compareShape(b, [outputs, rank]));
  const scale = adapter.config.scaling(peftModule);
  const factors = isEmbedding ? embeddingFactors(a, b) : linearFactors(a, b);
  const change = changeOf(changes, weight);
  change.terms.push({ factors, scale, weight: adapter.weight });
  addMagnitude(change, magnitude, { a, outputs, isEmbedding, useDora: adapter.config.useDora, problems });
  addLoraBias(bBias, `${module}.bias`, adapter.weight * scale, scope);
}

function addMagnitude(
  change: WeightChange,
  lengths: TensorRef | undefined,
  lora: { a: TensorRef; outputs: number; isEmbedding: boolean; useDora: boolean; problems: string[] },
): void {
  const { a, outputs, isEmbedding, useDora, problems } = lora;
  if (useDora !== (lengths !== undefined)) {
    const [is, ought] = lengths === undefined ? ['no', 'one'] : ['a', 'none'];
    problems.push(`${where(a)}: found ${is} lora_magnitude_vector, expected ${ought}: use_dora is ${useDora}`);
  }
  if (lengths !== undefined) {
    problems.push(...compareShape(lengths, [outputs]));
    change.magnitude = { lengths, axis: isEmbedding ? 'columns' : 'rows' };
  }
  if (change.terms.length > 1 && change.magnitude !== null) {
    problems.push(
      `${where(a)}: found DoRA beside another adapter of the same weight, expected it alone: order would matter`,
    );
  }
}

function addLoraBias(
  values: TensorRef | undefined,
  bias: string,
  scale: number,
  { shapes, problems, changes }: Pick<Scope, 'shapes' | 'problems' | 'changes'>,
): void {
  const shape = shapes.get(bias);
  if (values !== undefined && shape === undefined) {
    problems.push(`${where(values)}: found a bias, expected none: the base has no ${bias} to add it to`);
  } else if (values !== undefined && shape !== undefined) {
    problems.push(...compareShape(values, shape));
    changeOf(changes, bias).biases.push({ values, scale });
  }
}

/** Two adapters may store the same copy of the base. */
async function addReplacements(scope: Scope): Promise<void> {
  const { module, found, shapes, problems, changes } = scope;
  for (const part of ['weight', 'baseWeight', 'bias', 'baseBias'] as const) {
    const tensor = found.parts.get(part);
    const name = `${module}.${part === 'weight' || part === 'baseWeight' ? 'weight' : 'bias'}`;
    const shape = shapes.get(name);
    if (tensor !== undefined && shape === undefined) {
      problems.push(leftover(tensor));
    } else if (tensor !== undefined && shape !== undefined) {
      problems.push(...compareShape(tensor, shape));
      const change = changeOf(changes, name);
      if (change.replaced !== null && !(await equalTensors(change.replaced, tensor))) {
        const other = where(change.replaced);
        problems.push(`${where(tensor)}: found another whole ${name}, expected one: ${other} has it too`);
      }
      change.replaced = tensor;
    }
  }
}

function addTrainedRows({ adapter, module, found, shapes, problems, changes }: Scope): void {
  const rows = found.parts.get('tokens');
  if (rows === undefined) {
    return;
  }
  const name = `${module}.weight`;
  const [vocabulary = 0, hidden = 0] = shapes.get(name) ?? [];
  const indices = adapter.config.tokenIds(found.peftModule);
  if ((name !== EMBED_TOKENS && name !== LM_HEAD) || indices === null) {
    problems.push(leftover(rows));
    return;
  }
  const unknown = indices.find((id) => id >= vocabulary);
  if (unknown !== undefined || new Set(indices).size !== indices.length) {
    const what = unknown === undefined ? 'an id twice' : `id ${unknown}`;
    problems.push(`${adapter.configFile}: trainable_token_indices: found ${what}, expected ids below ${vocabulary}`);
  }
  problems.push(...compareShape(rows, [indices.length, hidden]));
  const change = changeOf(changes, name);
  if (change.trainedRows !== null) {
    const other = where(change.trainedRows.rows);
    problems.push(`${where(rows)}: found trained rows beside those of ${other}, expected one of both`);
  }
  change.trainedRows = { indices, rows };
}

/** What the config names and the file lacks: half an adapter merges into something nobody trained. */
function missingParts({ config, configFile, modules }: PeftAdapter, shapes: Scope['shapes']): string[] {
  const problems: string[] = [];
  for (const [name, { length }] of shapes) {
    const module = name.replace(/\.weight$/, '');
    const parts = modules.get(module)?.parts;
    const isThere = parts?.has('a') === true || parts?.has('embeddingA') === true;
    if (length === 2 && !isThere && config.targets(module) === true) {
      problems.push(`${module}: found no adapter, expected one: target_modules of ${configFile} names it`);
    }
    if (parts?.has('weight') !== true && config.modulesToSave.some((saved) => isOrEndsWith(module, saved))) {
      problems.push(`${module}: found no weight, expected one: modules_to_save of ${configFile} names it`);
    }
    if (parts?.has('a') === true && config.loraBias && !parts.has('bBias')) {
      problems.push(`${module}: found no lora_B.bias, expected one: lora_bias of ${configFile} is true`);
    }
  }
  if (config.trainsTokens && ![...modules.values()].some(({ parts }) => parts.has('tokens'))) {
    problems.push(
      `${configFile}: trainable_token_indices: found no trainable_tokens_delta, expected the rows it names`,
    );
  }
  return problems;
}

function changeOf(changes: WeightChanges, name: string): WeightChange {
  const change = changes.get(name) ?? noChange();
  changes.set(name, change);
  return change;
}
