import { type Interval, wilsonInterval } from './intervals.ts';
import type { Question } from './question-sets.ts';

/** How a kind of question of one set was answered. */
export interface Score {
  readonly task: string;
  readonly kind: string;
  readonly count: number;
  readonly right: number;
  readonly accuracy: number;
  /** Wilson's 95 % interval of the accuracy. */
  readonly interval: Interval;
  /** Share of the commonest answer, of what the question leaves open of it: what a model that sees nothing can reach. */
  readonly blind: number;
}

/** Scores by task and kind, in the order in which they first come. */
export function scoreAnswers(questions: readonly Question[], right: readonly boolean[]): Score[] {
  const indices = questions.map((_, index) => index);
  const groups = Map.groupBy(indices, (index) => JSON.stringify([questions[index]?.task, questions[index]?.kind]));
  return [...groups.values()].map((group) => scoreGroup(group, questions, right));
}

function scoreGroup(group: readonly number[], questions: readonly Question[], right: readonly boolean[]): Score {
  const asked = group.flatMap((index) => questions[index] ?? []);
  const answers = [...Map.groupBy(asked, ({ unknown }) => unknown).values()];
  const count = group.length;
  const hits = group.filter((index) => right[index] === true).length;
  return {
    task: asked[0]?.task ?? '',
    kind: asked[0]?.kind ?? '',
    count,
    right: hits,
    accuracy: hits / count,
    interval: wilsonInterval(hits, count),
    blind: Math.max(...answers.map(({ length }) => length)) / count,
  };
}
