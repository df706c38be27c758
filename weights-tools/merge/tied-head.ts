import { EMBED_TOKENS, LM_HEAD } from '../../src/core/model/tensor-names.ts';
import type { TensorRef } from '../checkpoint.ts';
import { equalTensors } from '../equal-tensors.ts';
import { where } from '../tensor-set.ts';
import type { PeftAdapter } from './peft-adapter.ts';
import { isOrEndsWith } from './peft-config.ts';
import { noChange, type WeightChange, type WeightChanges } from './weight-changes.ts';

/** Modules of the two weights, as adapters name them. */
const EMBEDDING = EMBED_TOKENS.replace(/\.weight$/, '');
const HEAD = LM_HEAD.replace(/\.weight$/, '');

/**
 * Carries over to the head of a model with tied embeddings what training did to both: rows trained as tokens, the stored
 * base, and with `ensure_weight_tying` everything. Call it for each adapter, after its changes were entered.
 */
export async function mirrorToHead(changes: WeightChanges, adapter: PeftAdapter): Promise<string[]> {
  const embedding = changes.get(EMBED_TOKENS);
  const parts = adapter.modules.get(EMBEDDING)?.parts;
  if (embedding === undefined || parts === undefined) {
    return [];
  }
  const tokens = parts.get('tokens');
  const headParts = adapter.modules.get(HEAD)?.parts;
  if (headParts !== undefined) {
    return tokens === undefined || headParts.has('tokens')
      ? []
      : [`${where(tokens)}: found trained token rows beside another change of the tied head, expected one of both`];
  }
  const { ensureWeightTying, modulesToSave } = adapter.config;
  const isTrainedAlone = modulesToSave.some((name) => isOrEndsWith(EMBEDDING, name));
  const head = changes.get(LM_HEAD) ?? noChange();
  changes.set(LM_HEAD, head);
  const problems: string[] = [];
  const stored = parts.get('baseWeight') ?? parts.get('weight');
  if (stored !== undefined && (ensureWeightTying || !isTrainedAlone)) {
    if (head.replaced !== null && !(await equalTensors(head.replaced, stored))) {
      const other = where(head.replaced);
      problems.push(`${where(stored)}: found it for the tied head too, expected one ${LM_HEAD}: ${other} has another`);
    }
    head.replaced = stored;
  }
  if (tokens !== undefined) {
    if (head.trainedRows !== null) {
      const other = where(head.trainedRows.rows);
      problems.push(
        `${where(tokens)}: found trained rows of the tied head too, expected one of both: ${other} has others`,
      );
    }
    head.trainedRows = embedding.trainedRows;
  }
  if (ensureWeightTying && parts.has('embeddingA')) {
    const own = embedding.terms.at(-1);
    head.terms.push(...(own === undefined ? [] : [own]));
    head.magnitude = embedding.magnitude;
  }
  return problems;
}

/**
 * Whether embedding and head are one weight still; then the head's change, the same, is dropped. PEFT stores tied weights twice,
 * so that tensors under both names are compared byte by byte.
 */
export async function staysTied(changes: WeightChanges): Promise<boolean> {
  const isSame = await isSameChange(changes.get(EMBED_TOKENS) ?? noChange(), changes.get(LM_HEAD) ?? noChange());
  if (isSame) {
    changes.delete(LM_HEAD);
  }
  return isSame;
}

async function isSameChange(one: WeightChange, other: WeightChange): Promise<boolean> {
  return (
    one.magnitude === other.magnitude &&
    one.terms.length === other.terms.length &&
    one.terms.every((term, index) => term === other.terms[index]) &&
    one.trainedRows?.indices.join() === other.trainedRows?.indices.join() &&
    (await isSameTensor(one.trainedRows?.rows, other.trainedRows?.rows)) &&
    (await isSameTensor(one.replaced, other.replaced))
  );
}

async function isSameTensor(one: TensorRef | null | undefined, other: TensorRef | null | undefined): Promise<boolean> {
  return one === other || (isTensor(one) && isTensor(other) && equalTensors(one, other));
}

function isTensor(tensor: TensorRef | null | undefined): tensor is TensorRef {
  return tensor !== null && tensor !== undefined;
}
