import { type AnswerComparison, type AnswerSummary, summarizeAnswers } from './answer-statistics.ts';
import { recordAnswers, sharedText } from './compare-answers.ts';
import { compareWeights, type WeightComparison } from './compare-weights.ts';
import type { Question } from './prompt-set.ts';
import type { Side } from './side.ts';
import { withProgress } from '../progress.ts';

/** All that `vora verify` found; what `--json` writes. */
export interface Verification {
  readonly a: SideFacts;
  readonly b: SideFacts;
  /** Whether both see through the same vision embedding, by its hash; null where one has no eyes. */
  readonly sameVision: boolean | null;
  readonly weights: WeightComparison;
  /** Null where no model was run. */
  readonly answers: AnswerReport | null;
}

export interface SideFacts {
  readonly path: string;
  readonly kind: string;
  readonly name: string;
  readonly weights: string;
}

export interface AnswerReport {
  readonly all: AnswerSummary | null;
  readonly withImages: AnswerSummary | null;
  readonly withoutImages: AnswerSummary | null;
  /** By what the prompts ask for, where they say. */
  readonly kinds: Readonly<Record<string, AnswerSummary>>;
  /** Prompts with a picture that were left out, since one of the models has no eyes. */
  readonly leftOut: number;
}

export interface VerifyOptions {
  /** Null: tensors only. */
  readonly questions: readonly Question[] | null;
  readonly maxTokens: number;
  readonly memoryBytes: number;
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** Compares weights, then answers. @throws BadInput, MalformedFile */
export async function verify(a: Side, b: Side, options: VerifyOptions): Promise<Verification> {
  const { memoryBytes, signal } = options;
  const floats = [...a.weights.values()].reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0);
  const weights = await withProgress('tensors', 4 * floats, (progress) =>
    compareWeights(a.weights, b.weights, { memoryBytes, progress, signal }),
  );
  const [left, right] = [a.manifest.vision, b.manifest.vision];
  return {
    a: factsOf(a),
    b: factsOf(b),
    sameVision: left === null || right === null ? null : left.sha256 === right.sha256,
    weights,
    answers: options.questions === null ? null : await compareAnswers(a, b, options.questions, options),
  };
}

async function compareAnswers(
  a: Side,
  b: Side,
  questions: readonly Question[],
  options: VerifyOptions,
): Promise<AnswerReport> {
  const seeing = a.manifest.vision !== null && b.manifest.vision !== null;
  const asked = questions.filter(({ image }) => seeing || image === null);
  const recorded = await recordAnswers(a, sharedText(a, b), asked, options);
  try {
    return { ...reportAnswers(await recorded.compare(b)), leftOut: questions.length - asked.length };
  } finally {
    await recorded.close();
  }
}

/** Of all answers, of those about pictures and of the others, and kind by kind. */
export function reportAnswers(answers: readonly AnswerComparison[]): Omit<AnswerReport, 'leftOut'> {
  const kinds = new Set(answers.flatMap(({ kind }) => (kind === null ? [] : [kind])));
  return {
    all: summarizeAnswers(answers),
    withImages: summarizeAnswers(answers.filter(({ withImage }) => withImage)),
    withoutImages: summarizeAnswers(answers.filter(({ withImage }) => !withImage)),
    kinds: Object.fromEntries(
      [...kinds].toSorted().flatMap((kind) => {
        const summary = summarizeAnswers(answers.filter((answer) => answer.kind === kind));
        return summary === null ? [] : [[kind, summary]];
      }),
    ),
  };
}

function factsOf({ description, manifest }: Side): SideFacts {
  return { path: description, kind: manifest.kind, name: manifest.name, weights: manifest.weights };
}
