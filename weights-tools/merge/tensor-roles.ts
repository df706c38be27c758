import type { VoraConfig } from '../../src/core/model/vora-config.ts';
import {
  AUX_VISION_PREFIX,
  isLora,
  layerTensor,
  LINEARS,
  LLM_PREFIX,
  llmShapes,
  loraNames,
  VISION_PREFIX,
  visionShapes,
} from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import type { TensorRef } from '../checkpoint.ts';
import { compareShape, compareTensors, leftover, refuseProblems, where } from '../tensor-set.ts';

export interface LoraPair {
  /** [r, in] */
  readonly a: TensorRef;
  /** [out, r] */
  readonly b: TensorRef;
  readonly rank: number;
}

/** What each tensor of the input is for. */
export interface TensorRoles {
  /** Hugging Face name to base weight, in the order of the forward pass. */
  readonly llm: ReadonlyMap<string, TensorRef>;
  /** Name of the weight it changes to its adapter. */
  readonly lora: ReadonlyMap<string, LoraPair>;
  readonly vision: ReadonlyMap<string, TensorRef>;
  /** The teacher's tensors, which are no part of the model. */
  readonly dropped: readonly TensorRef[];
  readonly warnings: readonly string[];
}

type Tensors = ReadonlyMap<string, TensorRef>;

/**
 * Gives every tensor its one role, from headers alone. Nothing may be missing, misshapen or left over: the expected set
 * follows from the config.
 *
 * @param base tensors of the plain language model, for a checkpoint that holds adapters only
 * @throws BadInput with each tensor at fault, its file, what was found and what was expected
 */
export function assignRoles(config: VoraConfig, checkpoint: Tensors, base: Tensors | null): TensorRoles {
  const llm = new Map<string, TensorRef>();
  const lora = new Map<string, TensorRef>();
  const vision = new Map<string, TensorRef>();
  const dropped: TensorRef[] = [];
  const problems: string[] = [];
  for (const [name, tensor] of checkpoint) {
    if (name.startsWith(AUX_VISION_PREFIX)) {
      dropped.push(tensor);
    } else if (name.startsWith(VISION_PREFIX)) {
      vision.set(name, tensor);
    } else if (!name.startsWith(LLM_PREFIX)) {
      problems.push(leftover(tensor));
    } else if (isLora(name)) {
      lora.set(name.slice(LLM_PREFIX.length), tensor);
    } else {
      llm.set(name.slice(LLM_PREFIX.length), tensor);
    }
  }

  const weights = llm.size === 0 && base !== null ? base : llm;
  if (weights.size === 0) {
    refuseProblems(problems, 'config.json');
    throw new BadInput('the checkpoint holds no base weights; give the model it was trained on with --base');
  }
  if (base !== null && llm.size > 0) {
    throw new BadInput(`the checkpoint holds ${llm.size} base weights of its own; leave --base out`);
  }
  const shapes = llmShapes(config.llm);
  const visionExpected = visionShapes(config.vision, config.llm.hiddenSize);
  problems.push(...compareTensors(shapes, weights), ...compareTensors(visionExpected, vision));
  const pairs = pairUp(shapes, lora, problems);
  problems.push(...compareWithConfig(config, pairs));
  refuseProblems(problems, 'config.json');
  return {
    llm: inOrder(shapes, weights),
    lora: pairs,
    vision: inOrder(visionExpected, vision),
    dropped,
    warnings: warn(config, pairs),
  };
}

/** Removes from `halves` what forms pairs on two-dimensional weights; what then is left over is a problem. */
function pairUp(
  shapes: ReadonlyMap<string, readonly number[]>,
  halves: Map<string, TensorRef>,
  problems: string[],
): Map<string, LoraPair> {
  const pairs = new Map<string, LoraPair>();
  for (const [weight, [rows, columns]] of shapes) {
    const names = loraNames(weight);
    const a = halves.get(names.a);
    const b = halves.get(names.b);
    if (rows === undefined || columns === undefined || (a === undefined && b === undefined)) {
      continue;
    }
    halves.delete(names.a);
    halves.delete(names.b);
    const rank = a?.shape[0] ?? b?.shape[1] ?? 0;
    if (a === undefined || b === undefined) {
      const [missing, shape] = a === undefined ? [names.a, [rank, columns]] : [names.b, [rows, rank]];
      problems.push(`${LLM_PREFIX}${missing}: found nothing, expected [${shape.join(', ')}] beside its other half`);
    } else {
      problems.push(...compareShape(a, [rank, columns]), ...compareShape(b, [rows, rank]));
      pairs.set(weight, { a, b, rank });
    }
  }
  problems.push(...[...halves.values()].map(leftover));
  return pairs;
}

/** config.json's `lora` says which adapters there must be; negative ranks and empty ones leave it to the tensors. */
function compareWithConfig({ lora }: VoraConfig, pairs: ReadonlyMap<string, LoraPair>): string[] {
  if (lora === null || lora.rank < 0 || pairs.size === 0) {
    return [];
  }
  const problems: string[] = [];
  const expected = new Set<string>();
  for (let layer = 0; layer < lora.layers; layer += 1) {
    for (const target of lora.targets) {
      const weight = layerTensor(layer, target);
      expected.add(weight);
      if (!pairs.has(weight)) {
        problems.push(`${LLM_PREFIX}${loraNames(weight).a}: found nothing, expected an adapter of rank ${lora.rank}`);
      }
    }
  }
  for (const [weight, { a, rank }] of pairs) {
    if (!expected.has(weight)) {
      problems.push(`${where(a)}: found an adapter, expected none here: config.json has lora.layers ${lora.layers}`);
    } else if (rank !== lora.rank) {
      problems.push(`${where(a)}: found rank ${rank}, expected config.json's lora.r ${lora.rank}`);
    }
  }
  return problems;
}

function warn({ lora }: VoraConfig, pairs: ReadonlyMap<string, LoraPair>): string[] {
  if (pairs.size === 0 && lora !== null && lora.rank > 0) {
    return [`config.json asks for adapters of rank ${lora.rank}, but the checkpoint has none: taken as merged already`];
  }
  const linears = Object.keys(LINEARS).length;
  if (pairs.size % linears !== 0) {
    return [`${pairs.size} adapters, no multiple of the ${linears} linears of a block`];
  }
  return [];
}

function inOrder(expected: ReadonlyMap<string, unknown>, found: Tensors): Map<string, TensorRef> {
  const ordered = new Map<string, TensorRef>();
  for (const name of expected.keys()) {
    const tensor = found.get(name);
    if (tensor !== undefined) {
      ordered.set(name, tensor);
    }
  }
  return ordered;
}
