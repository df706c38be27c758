import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { z } from 'zod';
import { parseStrictJson } from '../../src/core/bytes/strict-json.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { BadInput } from '../../weights-tools/bad-input.ts';

const QUESTIONS_FILE = 'questions.jsonl';
const MIME = new Map([
  ['.png', 'image/png'],
  ['.jpg', 'image/jpeg'],
]);

/** A line of questions.jsonl, as `python -m training heldout` writes it. */
const lineSchema = z.strictObject({
  image: z.string().nullable(),
  /** Name of the set. */
  task: z.string().min(1),
  kind: z.string().min(1),
  question: z.string().min(1),
  /** The one right answer, to the letter. */
  answer: z.string().min(1),
  /** What of it the question does not give away. */
  unknown: z.string().min(1),
});

export interface Question {
  readonly task: string;
  readonly kind: string;
  readonly question: string;
  readonly answer: string;
  readonly unknown: string;
  /** Bytes as they are sent; null for a question that is text alone. */
  readonly image: { readonly path: string; readonly mime: string } | null;
}

/**
 * The questions of every set in a folder, or of the sets named, in the order of their files; `count` takes the first ones of each set.
 *
 * @throws BadInput when there is nothing to ask; MalformedFile naming line and field.
 */
export async function readQuestionSets(
  folder: string,
  { names, count = Infinity }: { names?: readonly string[]; count?: number },
): Promise<Question[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const missing = names?.find((name) => !found.includes(name));
  if (missing !== undefined || found.length === 0) {
    throw new BadInput(`${folder} has no set ${missing ?? ''}; there are ${found.join(', ') || 'none'}`);
  }
  const chosen = found.filter((name) => names?.includes(name) ?? true).sort();
  const sets = await Promise.all(chosen.map((name) => readSet(join(folder, name))));
  return sets.flatMap((set) => set.slice(0, count));
}

async function readSet(folder: string): Promise<Question[]> {
  const file = join(folder, QUESTIONS_FILE);
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line, index) => {
    const place = `${file}, line ${index + 1}`;
    const { image, ...asked } = parseWithSchema(lineSchema, place, parseStrictJson(place, line));
    const mime = MIME.get(extname(image ?? ''));
    if (image !== null && mime === undefined) {
      throw new BadInput(`${place}: ${image} is neither .png nor .jpg`);
    }
    return { ...asked, image: image === null || mime === undefined ? null : { path: join(folder, image), mime } };
  });
}
