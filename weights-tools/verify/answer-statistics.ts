import { argmax } from './language-session.ts';

/** What two models say at each token of one answer. */
export interface AnswerComparison {
  readonly withImage: boolean;
  readonly kind: string | null;
  /** KL(A ‖ B) in nats, by token. */
  readonly kl: readonly number[];
  /** Cosine of the logits, by token. */
  readonly cosine: readonly number[];
  /** Whether both find the same token most likely, by token. */
  readonly agreed: readonly boolean[];
  /** For a prompt whose answer is known: −log p of its tokens, and whether greedy decoding gives exactly it. */
  readonly known: { readonly a: KnownAnswer; readonly b: KnownAnswer } | null;
}

export interface KnownAnswer {
  /** Nats, by token. */
  readonly loss: readonly number[];
  readonly right: boolean;
}

/** Means over tokens; shares and accuracies from 0 to 1. */
export interface AnswerSummary {
  readonly prompts: number;
  readonly tokens: number;
  readonly kl: { readonly mean: number; readonly max: number };
  readonly cosine: { readonly mean: number; readonly min: number };
  /** Share of the tokens, and of whole answers, at which the most likely token is the same. */
  readonly greedy: { readonly tokens: number; readonly answers: number };
  /** Null where no prompt has a known answer. */
  readonly known: {
    readonly prompts: number;
    readonly perplexity: { readonly a: number; readonly b: number };
    readonly accuracy: { readonly a: number; readonly b: number };
    /** Answers that only A, and only B, gets right. */
    readonly lost: number;
    readonly won: number;
  } | null;
}

/**
 * Compares logits f32 [answer.length, vocabulary] of two models after the same prompt and the same tokens. An answer is
 * right when each of its tokens is the most likely one, its end among `endTokens` included: that is when greedy decoding
 * would have given it.
 */
export function compareAnswer(
  logits: { readonly a: Float32Array; readonly b: Float32Array },
  answer: readonly number[],
  { endTokens, ...facts }: { withImage: boolean; kind: string | null; isKnown: boolean; endTokens: readonly number[] },
): AnswerComparison {
  const vocabulary = logits.a.length / answer.length;
  const known = { a: { loss: new Array<number>(), right: true }, b: { loss: new Array<number>(), right: true } };
  const kl: number[] = [];
  const cosine: number[] = [];
  const agreed: boolean[] = [];
  for (const [position, token] of answer.entries()) {
    const a = logits.a.subarray(position * vocabulary, (position + 1) * vocabulary);
    const b = logits.b.subarray(position * vocabulary, (position + 1) * vocabulary);
    const normA = logSumExp(a);
    const normB = logSumExp(b);
    kl.push(klDivergence(a, b, normA, normB));
    cosine.push(cosineOf(a, b));
    const best = { a: argmax(a), b: argmax(b) };
    agreed.push(best.a === best.b);
    known.a.loss.push(normA - (a[token] ?? Number.NaN));
    known.b.loss.push(normB - (b[token] ?? Number.NaN));
    const isRight = (found: number): boolean =>
      found === token || (endTokens.includes(token) && endTokens.includes(found));
    known.a.right &&= isRight(best.a);
    known.b.right &&= isRight(best.b);
  }
  return { withImage: facts.withImage, kind: facts.kind, kl, cosine, agreed, known: facts.isKnown ? known : null };
}

/** Null where there is nothing to sum up. */
export function summarizeAnswers(answers: readonly AnswerComparison[]): AnswerSummary | null {
  if (answers.length === 0) {
    return null;
  }
  const kl = answers.flatMap((answer) => answer.kl);
  const cosine = answers.flatMap((answer) => answer.cosine);
  const agreed = answers.flatMap((answer) => answer.agreed);
  return {
    prompts: answers.length,
    tokens: kl.length,
    kl: { mean: mean(kl), max: kl.reduce((most, value) => Math.max(most, value), 0) },
    cosine: { mean: mean(cosine), min: cosine.reduce((least, value) => Math.min(least, value), 1) },
    greedy: {
      tokens: shareOf(agreed, (same) => same),
      answers: shareOf(answers, (answer) => answer.agreed.every((same) => same)),
    },
    known: summarizeKnown(answers.flatMap(({ known }) => (known === null ? [] : [known]))),
  };
}

function summarizeKnown(known: readonly NonNullable<AnswerComparison['known']>[]): AnswerSummary['known'] {
  if (known.length === 0) {
    return null;
  }
  return {
    prompts: known.length,
    perplexity: {
      a: Math.exp(mean(known.flatMap(({ a }) => a.loss))),
      b: Math.exp(mean(known.flatMap(({ b }) => b.loss))),
    },
    accuracy: { a: shareOf(known, ({ a }) => a.right), b: shareOf(known, ({ b }) => b.right) },
    lost: known.filter(({ a, b }) => a.right && !b.right).length,
    won: known.filter(({ a, b }) => b.right && !a.right).length,
  };
}

function logSumExp(logits: Float32Array): number {
  const peak = logits[argmax(logits)] ?? Number.NaN;
  let sum = 0;
  for (const logit of logits) {
    sum += Math.exp(logit - peak);
  }
  return peak + Math.log(sum);
}

/** Never negative but for rounding, which is cut off. */
function klDivergence(a: Float32Array, b: Float32Array, normA: number, normB: number): number {
  let sum = 0;
  for (const [i, logit] of a.entries()) {
    const logP = logit - normA;
    sum += Math.exp(logP) * (logP - ((b[i] ?? Number.NaN) - normB));
  }
  return sum < 0 ? 0 : sum;
}

function cosineOf(a: Float32Array, b: Float32Array): number {
  let [product, left, right] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? Number.NaN;
    product += x * y;
    left += x * x;
    right += y * y;
  }
  return product / Math.sqrt(left * right);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function shareOf<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  return items.filter(holds).length / items.length;
}
