import { z } from 'zod';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { readJsonFile } from '../../weights-tools/json-file.ts';
import type { Run } from './runs.ts';
import type { Score } from './score.ts';

const figureSchema = z.looseObject({
  kind: z.string(),
  accuracy: z.number().min(0).max(1),
  count: z.int().positive(),
});
const tasksSchema = z.record(z.string(), z.array(figureSchema));

/** What `python -m training evaluate` writes, as far as `npm run eval` measures the same. */
const schema = z.looseObject({
  pictures: tasksSchema,
  'other tools': tasksSchema,
  text: z.array(figureSchema),
  'text, base without LoRA': z.array(figureSchema),
});

export type TrainingFigures = z.infer<typeof schema>;

/** The training side's figure of one kind, beside ours. */
export interface TrainingFigure {
  readonly accuracy: number;
  readonly count: number;
  /** Ours minus theirs. */
  readonly difference: number;
}

/** @throws MalformedFile */
export async function readTrainingFigures(path: string): Promise<TrainingFigures> {
  return parseWithSchema(schema, path, await readJsonFile(path));
}

/** Of f32 and of the base, the two that the training side evaluates; undefined for others, and where it has none. */
export function trainingFigure(
  figures: TrainingFigures,
  { artifact, wire }: Run,
  score: Score,
): TrainingFigure | undefined {
  if (artifact !== 'f32' && artifact !== 'base') {
    return undefined;
  }
  const text = artifact === 'base' ? figures['text, base without LoRA'] : figures.text;
  const kinds = wire === 'text' ? text : (figures.pictures[score.task] ?? figures['other tools'][score.task]);
  const found = kinds?.find(({ kind }) => kind === score.kind);
  return found && { accuracy: found.accuracy, count: found.count, difference: score.accuracy - found.accuracy };
}
