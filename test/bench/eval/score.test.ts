import { expect, it } from 'vitest';
import { compareRuns } from '../../../bench/eval/differences.ts';
import type { Question } from '../../../bench/eval/question-sets.ts';
import type { Run } from '../../../bench/eval/runs.ts';
import { scoreAnswers } from '../../../bench/eval/score.ts';

const questions = [
  ask('scene', 'count', '1'),
  ask('scene', 'where', 'The cross is at the top left.', 'top left'),
  ask('scene', 'count', '2'),
  ask('chart', 'count', '1'),
  ask('scene', 'count', '1'),
];

it('scores each kind of each set apart, beside what the commonest answer reaches', () => {
  const scores = scoreAnswers(questions, [true, false, true, false, false]);
  expect(scores).toMatchObject([
    { task: 'scene', kind: 'count', count: 3, right: 2, accuracy: 2 / 3, blind: 2 / 3 },
    { task: 'scene', kind: 'where', count: 1, right: 0, accuracy: 0, blind: 1 },
    { task: 'chart', kind: 'count', count: 1, right: 0, accuracy: 0, blind: 1 },
  ]);
});

it('counts as guessed only what the question does not give away', () => {
  const asked = ['circle', 'square', 'cross'].map((shape) =>
    ask('scene', 'color', `The ${shape} is ${shape === 'cross' ? 'blue' : 'red'}.`, shape === 'cross' ? 'blue' : 'red'),
  );
  expect(scoreAnswers(asked, [false, false, false])).toMatchObject([{ count: 3, blind: 2 / 3 }]);
});

it('compares quantized with f32, pixels with image_embeds and f32 with its base, over all and by set', () => {
  const runs = [
    run('f32', 'image_embeds', [true, true, true, true, false]),
    run('f32', 'pixels', [true, true, true, true, true]),
    run('int8', 'image_embeds', [true, true, false, true, true]),
    run('f32', 'text', [true, true, true, true, true]),
    run('int8', 'text', [true, true, true, true, true]),
    run('base', 'text', [false, true, true, false, true]),
  ];
  const found = compareRuns(runs);
  expect(found.filter(({ task }) => task === null).map((d) => [d.run, d.against, d.onlyFirst, d.onlySecond])).toEqual([
    ['f32, pixels', 'f32, image_embeds', 1, 0],
    ['int8, image_embeds', 'f32, image_embeds', 1, 1],
    ['f32, text', 'base, text', 2, 0],
    ['int8, text', 'f32, text', 0, 0],
  ]);
  const scene = found.find(({ run: name, task, kind }) => name === 'f32, text' && task === 'scene' && kind === null);
  expect(scene).toMatchObject({ count: 4, onlyFirst: 1, difference: 1 / 4 });
  const counts = found.filter(({ run: name, kind }) => name === 'f32, text' && kind === 'count');
  expect(counts.map(({ task, count, onlyFirst }) => [task, count, onlyFirst])).toEqual([
    ['scene', 3, 1],
    ['chart', 1, 1],
  ]);
});

function ask(task: string, kind: string, answer: string, unknown = answer): Question {
  return { task, kind, question: '?', answer, unknown, image: null };
}

function run(artifact: Run['artifact'], wire: Run['wire'], right: boolean[]): Run {
  return { artifact, wire, questions, right, seconds: 1 };
}
