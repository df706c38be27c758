import { formatTable } from '../table.ts';
import type { AnswerSummary } from './answer-statistics.ts';
import type { TensorDifference } from './compare-weights.ts';
import type { AnswerReport, Verification } from './verification.ts';

/** What `vora verify` prints: one table of tensors, one of answers. */
export function describeVerification({ a, b, sameVision, weights, answers }: Verification): string {
  const lines = [`A  ${describeSide(a)}`, `B  ${describeSide(b)}`, ''];
  lines.push(
    formatTable(['count', 'tensor', 'A rms', 'relative error', 'largest difference'], tensorRows(weights.tensors)),
  );
  for (const [label, names] of [
    ['only in A', weights.onlyA],
    ['only in B', weights.onlyB],
    ['of another shape', weights.otherShape],
  ] as const) {
    if (names.length > 0) {
      lines.push(`${names.length} tensors ${label}: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`);
    }
  }
  if (sameVision !== null) {
    lines.push(`vision embedding: ${sameVision ? 'the same' : 'NOT the same'}, by its hash`);
  }
  if (answers !== null) {
    lines.push('', describeAnswers(answers));
  }
  return lines.join('\n');
}

function describeSide({ path, kind, name, weights }: Verification['a']): string {
  return `${path}: ${kind} of ${name}, weights ${weights}`;
}

/** One row for all layers: the errors of their tensors together, the worst layer by name where they differ most. */
function tensorRows(tensors: readonly TensorDifference[]): string[][] {
  const groups = new Map<string, TensorDifference[]>();
  for (const tensor of tensors) {
    const pattern = tensor.name.replaceAll(/(?<=\.)\d+(?=\.)/g, '*');
    groups.set(pattern, [...(groups.get(pattern) ?? []), tensor]);
  }
  return [...groups].map(([pattern, members]) => {
    const worst = members.reduce((most, member) => (member.relativeError > most.relativeError ? member : most));
    const meanSquare = members.reduce((sum, { rms }) => sum + rms * rms, 0) / members.length;
    const largest = members.reduce((most, { largestDifference }) => Math.max(most, largestDifference), 0);
    return [
      String(members.length),
      pattern,
      Math.sqrt(meanSquare).toPrecision(3),
      worst.relativeError === 0 ? 'equal' : worst.relativeError.toExponential(2),
      largest === 0 ? '' : largest.toExponential(2),
    ];
  });
}

function describeAnswers({ all, withImages, withoutImages, leftOut }: AnswerReport): string {
  const columns = [
    ['with pictures', withImages],
    ['without', withoutImages],
    ['all', all],
  ] as const;
  const shown = columns.filter(([, summary]) => summary !== null);
  const rows = MEASURES.map(([label, format]) => [label, ...shown.map(([, summary]) => cell(summary, format))]);
  const table = formatTable(['', ...shown.map(([name]) => name)], rows);
  return leftOut === 0 ? table : `${table}\n${leftOut} prompts with a picture left out: one of the models has no eyes`;
}

function cell(summary: AnswerSummary | null, format: (summary: AnswerSummary) => string): string {
  return summary === null ? '' : format(summary);
}

/** What is printed of a summary, top to bottom. */
const MEASURES: readonly [string, (summary: AnswerSummary) => string][] = [
  ['prompts', ({ prompts }) => String(prompts)],
  ['tokens compared', ({ tokens }) => String(tokens)],
  ['KL(A ‖ B), mean', ({ kl }) => nats(kl.mean)],
  ['KL(A ‖ B), largest', ({ kl }) => nats(kl.max)],
  ['cosine of logits, mean', ({ cosine }) => cosine.mean.toFixed(6)],
  ['cosine of logits, least', ({ cosine }) => cosine.min.toFixed(6)],
  ['greedy agreement, tokens', ({ greedy }) => percent(greedy.tokens)],
  ['greedy agreement, answers', ({ greedy }) => percent(greedy.answers)],
  ['prompts with an answer', ({ known }) => String(known?.prompts ?? 0)],
  ['perplexity of A', ({ known }) => known?.perplexity.a.toFixed(4) ?? ''],
  ['perplexity of B', ({ known }) => known?.perplexity.b.toFixed(4) ?? ''],
  ['accuracy of A', ({ known }) => (known === null ? '' : percent(known.accuracy.a))],
  ['accuracy of B', ({ known }) => (known === null ? '' : percent(known.accuracy.b))],
  ['only A right, only B right', ({ known }) => (known === null ? '' : `${known.lost}, ${known.won}`)],
];

function nats(value: number): string {
  return `${value < 1e-4 ? value.toExponential(2) : value.toFixed(5)} nats`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
