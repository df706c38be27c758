import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { Report } from '../../../bench/eval/report.ts';
import { tempFolder } from '../../support/checkpoint-folder.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const EVAL_TIMEOUT_MS = 240_000;
/** 2 of 4, from Wilson's formula by hand: (0.5 + 1.96²/8 ± 1.96·√(0.25/4 + 1.96²/64)) / (1 + 1.96²/4). */
const TWO_OF_FOUR = [0.15, 0.85];

it(
  'npm run eval asks through real worker and endpoint and counts what is right',
  { timeout: EVAL_TIMEOUT_MS },
  async () => {
    const folder = await tempFolder();
    const read = { image: 'word.png', kind: 'read', question: 'Read the text.' };
    await writeSet(folder, 'signs', [
      { ...read, answer: 'HARBOR' },
      { ...read, answer: 'HARBO' },
      { image: 'price.jpg', kind: 'read', question: 'What is the price?', answer: '$4.95' },
      { ...read, answer: 'HARBOUR' },
    ]);
    await writeSet(folder, 'chart', [
      {
        image: 'chart.png',
        kind: 'highest',
        question: 'Which bar is the highest?',
        answer: 'The highest bar is F.',
        unknown: 'F',
      },
    ]);
    await writeSet(folder, 'text', [{ image: null, kind: 'repeat', question: 'Repeat HARBOR', answer: 'HARBOR' }]);
    const [json, training] = [join(folder, 'report.json'), join(folder, 'accuracy.json')];
    const pictures = { signs: [{ kind: 'read', accuracy: 0.75, count: 8 }] };
    await writeFile(training, JSON.stringify({ pictures, 'other tools': {}, text: [], 'text, base without LoRA': [] }));

    const options = ['--artifact', 'f32,int8', '--wire', 'image_embeds', '--compare', training, '--json', json];
    const { stdout } = await promisify(execFile)(process.execPath, ['bench/eval/main.ts', folder, ...options], {
      cwd: ROOT,
    });

    const { runs, differences } = JSON.parse(await readFile(json, 'utf8')) as Report;
    expect(runs.map(({ run, questions }) => [run, questions])).toEqual([
      ['f32, image_embeds', 5],
      ['f32, text', 1],
      ['int8, image_embeds', 5],
      ['int8, text', 1],
      ['base, text', 1],
    ]);
    expect(runs[0]?.scores).toMatchObject([
      { task: 'chart', kind: 'highest', count: 1, right: 1, accuracy: 1, blind: 1 },
      {
        task: 'signs',
        kind: 'read',
        count: 4,
        right: 2,
        accuracy: 0.5,
        blind: 0.25,
        training: { accuracy: 0.75, count: 8, difference: -0.25 },
      },
    ]);
    expect(runs[0]?.scores[1]?.interval.map((bound) => Number(bound.toFixed(2)))).toEqual(TWO_OF_FOUR);
    expect(
      differences.filter(({ task }) => task === null).map(({ run, against, count }) => [run, against, count]),
    ).toEqual([
      ['f32, text', 'base, text', 1],
      ['int8, image_embeds', 'f32, image_embeds', 5],
      ['int8, text', 'f32, text', 1],
    ]);
    const rights = runs.map(({ scores }) => scores.reduce((sum, { right }) => sum + right, 0));
    expect(differences.find(({ run, task }) => run === 'int8, image_embeds' && task === null)?.difference).toBeCloseTo(
      ((rights[2] ?? 0) - (rights[0] ?? 0)) / 5,
    );
    expect(stdout).toMatch(/signs +read +0\.500 +0\.150 to 0\.850 +0\.250 +4 +0\.750 \(8\)/);
    expect(stdout).toContain('largest difference from the training side: -25.00 points (signs, read)');
    expect(stdout).toMatch(/\d+ questions in \d+ s, \d+ a second/);
  },
);

interface Line {
  image: string | null;
  kind: string;
  question: string;
  answer: string;
  unknown?: string;
}

async function writeSet(folder: string, task: string, lines: Line[]): Promise<void> {
  await mkdir(join(folder, task));
  for (const { image } of lines) {
    if (image !== null) {
      await cp(join(ROOT, 'examples/images', image), join(folder, task, image));
    }
  }
  const text = lines.map((line) => `${JSON.stringify({ task, unknown: line.answer, ...line })}\n`).join('');
  await writeFile(join(folder, task, 'questions.jsonl'), text);
}
