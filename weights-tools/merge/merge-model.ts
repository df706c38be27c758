import { join } from 'node:path';
import { parseStrictJson } from '../../src/core/bytes/strict-json.ts';
import { type LlmShape, parseEosTokenIds } from '../../src/core/model/llm-config.ts';
import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { EMBED_TOKENS, LM_HEAD, llmShapes } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import type { TensorRef } from '../checkpoint.ts';
import { compareShape, refuseProblems } from '../tensor-set.ts';
import { checkedRows, uncheckedRows, type WeightRows } from '../weight-rows.ts';
import { biasedRows, replacedRows } from './changed-rows.ts';
import { combinedRows } from './combined-rows.ts';
import { doraRows } from './dora-rows.ts';
import { linearFactors, stackFactors } from './low-rank.ts';
import type { CombineMethod, MergeRequest } from './merge-request.ts';
import { type MergedRows, mergedRows } from './merged-rows.ts';
import { type OpenedInputs, openInputs } from './open-inputs.ts';
import { GENERATION_CONFIG } from './text-files.ts';
import { mirrorToHead, staysTied } from './tied-head.ts';
import { addPeftChanges, noChange, type WeightChange, type WeightChanges } from './weight-changes.ts';
import { createWorkspace, type Workspace } from './workspace.ts';

/** One weight of the result. */
export interface MergeWeight {
  readonly rows: WeightRows;
  /** What it is at heart: the base's tensor, or the one that an adapter puts in its place. */
  readonly tensor: TensorRef;
  /** Whether `tensor` is all there is, so that its bytes may be copied. */
  readonly isStored: boolean;
  readonly isReplaced: boolean;
  /** Null where nothing of low rank is added. */
  readonly merged: MergedRows | null;
}

/** A merge, opened and checked: nothing of it is computed before its rows are read. */
export interface MergeModel extends Omit<
  OpenedInputs,
  'llm' | 'configFile' | 'tensors' | 'lora' | 'loraWeight' | 'adapters'
> {
  /** Opens the same merge once more. */
  readonly request: MergeRequest;
  readonly llm: LlmFacts;
  /** In the order of the forward pass. */
  readonly weights: ReadonlyMap<string, MergeWeight>;
}

/**
 * @param threads of a matrix product; all processors unless told
 * @throws BadInput, MalformedFile
 */
export async function openMergeModel(request: MergeRequest, threads?: number): Promise<MergeModel> {
  const inputs = await openInputs(request);
  try {
    const { llm, changes } = await collectChanges(inputs, request);
    const eosTokenIds = readEosTokenIds(inputs, llm);
    const workspace = createWorkspace(threads);
    return {
      ...inputs,
      request,
      llm: { ...llm, eosTokenIds: [...eosTokenIds] },
      weights: buildWeights(inputs, { llm, changes, method: request.method, workspace }),
      async close() {
        await Promise.all([inputs.close(), workspace.release()]);
      },
    };
  } catch (error) {
    await inputs.close();
    throw error;
  }
}

/** What the adapters do to each weight, and what the model is after it: its vocabulary, and whether embeddings are tied. */
async function collectChanges(
  { llm: base, lora, loraWeight, adapters, configFile }: OpenedInputs,
  { method }: MergeRequest,
): Promise<{ llm: LlmShape; changes: WeightChanges }> {
  const changes: WeightChanges = new Map();
  for (const [name, { a, b }] of lora) {
    const term = { factors: linearFactors(a, b), scale: 1, weight: loraWeight };
    changes.set(name, { ...noChange(), terms: [term] });
  }
  const grown = { ...base, vocabSize: vocabularyOf(adapters, base) };
  const shapes = llmShapes({ ...grown, tieWordEmbeddings: false });
  const problems: string[] = [];
  for (const adapter of adapters) {
    problems.push(...(await addPeftChanges(changes, adapter, shapes, method)));
    problems.push(...(base.tieWordEmbeddings ? await mirrorToHead(changes, adapter) : []));
  }
  refuseProblems(problems, configFile);
  const tieWordEmbeddings = base.tieWordEmbeddings && (await staysTied(changes));
  return { llm: { ...grown, tieWordEmbeddings }, changes };
}

/** Adapters with added tokens bring whole embeddings of another height. */
function vocabularyOf(adapters: OpenedInputs['adapters'], { vocabSize, hiddenSize }: LlmShape): number {
  for (const { modules } of adapters) {
    const parts = modules.get(EMBED_TOKENS.replace(/\.weight$/, ''))?.parts;
    const [rows, columns] = (parts?.get('baseWeight') ?? parts?.get('weight'))?.shape ?? [];
    if (rows !== undefined && rows !== vocabSize && columns === hiddenSize) {
      return rows;
    }
  }
  return vocabSize;
}

function buildWeights(
  { tensors, configFile }: OpenedInputs,
  parts: { llm: LlmShape; changes: WeightChanges; method: CombineMethod; workspace: Workspace },
): Map<string, MergeWeight> {
  const weights = new Map<string, MergeWeight>();
  const problems: string[] = [];
  for (const [name, shape] of llmShapes(parts.llm)) {
    const change = parts.changes.get(name) ?? noChange();
    const tensor = change.replaced ?? tensors.get(name) ?? (name === LM_HEAD ? tensors.get(EMBED_TOKENS) : undefined);
    if (tensor === undefined) {
      throw new BadInput(`tensor ${name}: found nothing, expected [${shape.join(', ')}]`);
    }
    problems.push(...compareShape(tensor, shape));
    weights.set(name, buildWeight(name, tensor, change, parts));
  }
  refuseProblems(problems, configFile);
  return weights;
}

function buildWeight(
  name: string,
  tensor: TensorRef,
  change: WeightChange,
  { method, workspace }: { method: CombineMethod; workspace: Workspace },
): MergeWeight {
  const { trainedRows, biases, terms, magnitude } = change;
  let rows = uncheckedRows(name, tensor);
  const isStored = trainedRows === null && biases.length === 0 && terms.length === 0;
  rows = trainedRows === null ? rows : replacedRows(rows, trainedRows);
  rows = biases.length === 0 ? rows : biasedRows(rows, biases);
  const facts = { tensor, isStored, isReplaced: change.replaced !== null };
  if (terms.length === 0) {
    return { ...facts, rows: checkedRows(rows, tensor), merged: null };
  }
  const sum =
    method.kind === 'exact'
      ? mergedRows(
          rows,
          stackFactors(
            terms.map(({ factors, scale, weight }) => ({ factors, scale: scale * weight })),
            tensor.shape[1] ?? 1,
          ),
          workspace,
        )
      : combinedRows(rows, terms, method, workspace);
  const merged = magnitude === null ? sum : doraRows(sum, magnitude);
  return { ...facts, rows: checkedRows(merged, tensor), merged };
}

function readEosTokenIds({ text, sourceConfig, configFile }: OpenedInputs, { vocabSize }: LlmShape): readonly number[] {
  const content = text.contents.get(GENERATION_CONFIG);
  const path = text.files.find((file) => file.endsWith(GENERATION_CONFIG)) ?? join(configFile, '..', GENERATION_CONFIG);
  const json = content === undefined ? {} : parseStrictJson(path, new TextDecoder().decode(Buffer.from(content)));
  const generation = parseEosTokenIds(path, json);
  const ids = generation.length > 0 ? generation : parseEosTokenIds(configFile, sourceConfig);
  if (ids.length === 0) {
    throw new BadInput(`${path}: found no eos_token_id, expected one here or in config.json`);
  }
  const unknown = ids.find((id) => id >= vocabSize);
  if (unknown !== undefined) {
    throw new BadInput(`${path}: eos_token_id: found ${unknown}, expected less than vocab_size ${vocabSize}`);
  }
  return ids;
}
