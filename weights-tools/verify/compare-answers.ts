import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { VERIFY_ANSWER_MAX_TOKENS } from '../checkpoint-limits.ts';
import { BadInput } from '../bad-input.ts';
import { withProgress } from '../progress.ts';
import { type AnswerComparison, compareAnswer } from './answer-statistics.ts';
import { type LanguageSession, openLanguageSession } from './language-session.ts';
import { createLogitsFile } from './logits-file.ts';
import { createPromptReader, type PromptReader } from './prompt.ts';
import type { Question } from './prompt-set.ts';
import { createImageReader } from './read-image.ts';
import type { Side } from './side.ts';

export interface AnswerOptions {
  /** Length of an answer that is A's own. */
  readonly maxTokens: number;
  readonly memoryBytes: number;
  /** Where graphs and logits are written meanwhile. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** What the reference says at every token of the answers, for any number of models to be compared with it. */
export interface RecordedAnswers {
  /** The same of another model, and how far it is from what was recorded. @throws BadInput as {@link sharedText} */
  compare(b: Side): Promise<AnswerComparison[]>;
  close(): Promise<void>;
}

/**
 * Shows the reference prompts and answers, the known ones or else its own; then `compare` shows another model the same. One
 * model is open at a time: the reference's logits lie in a file, 4 bytes a token and word.
 *
 * @param text of {@link sharedText}
 * @param questions none with a picture unless all models have eyes
 * @throws BadInput when an answer is too long
 */
export async function recordAnswers(
  a: Side,
  text: ReadonlyMap<string, string | Uint8Array>,
  questions: readonly Question[],
  options: AnswerOptions,
): Promise<RecordedAnswers> {
  const { vocabSize, eosTokenIds } = a.manifest.llm;
  const reader = createPromptReader(text, await createImageReader());
  const folder = await mkdtemp(join(options.scratch, 'vora-verify-'));
  const logits = await createLogitsFile(join(folder, 'logits'));
  const close = async (): Promise<void> => {
    await logits.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const asked = await eachQuestion(a, join(folder, 'a'), questions, options, async (question, session) => {
      const prompt = await reader.read(question, a.manifest.vision);
      const tokens =
        knownTokens(question, eosTokenIds, reader) ?? (await session.continueGreedily(prompt, options.maxTokens));
      await logits.append(await session.logits(prompt, tokens));
      return { question, tokens };
    });
    return {
      async compare(other) {
        sharedText(a, other);
        const next = logits.reader();
        return eachQuestion(other, join(folder, 'b'), asked, options, async ({ question, tokens }, session) => {
          const prompt = await reader.read(question, other.manifest.vision);
          const found = { b: await session.logits(prompt, tokens), a: await next(tokens.length * vocabSize) };
          return compareAnswer(found, tokens, {
            withImage: question.image !== null,
            kind: question.kind,
            isKnown: question.answer !== null,
            endTokens: eosTokenIds,
          });
        });
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs one model over all items, and frees it. */
async function eachQuestion<Item, Result>(
  side: Side,
  folder: string,
  items: readonly Item[],
  { memoryBytes, signal }: AnswerOptions,
  ask: (item: Item, session: LanguageSession) => Promise<Result>,
): Promise<Result[]> {
  const session = await openLanguageSession(await side.graphs({ folder, memoryBytes, signal }), side.manifest.llm);
  try {
    return await withProgress(
      side.description,
      items.length,
      async (progress) => {
        const results: Result[] = [];
        for (const item of items) {
          signal.throwIfAborted();
          results.push(await ask(item, session));
          progress.advance(1);
        }
        return results;
      },
      process.stderr,
      (count) => `${count} prompts`,
    );
  } finally {
    await session.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The known answer as the model would have to give it, its end included; undefined where none is known. */
function knownTokens(
  { prompt, answer }: Question,
  endTokens: readonly number[],
  reader: PromptReader,
): readonly number[] | undefined {
  if (answer === null) {
    return undefined;
  }
  const tokens = [...reader.answerIds(answer), ...endTokens.slice(0, 1)];
  if (tokens.length > VERIFY_ANSWER_MAX_TOKENS) {
    const place = `answer to ${JSON.stringify(prompt.slice(0, 80))}`;
    throw new BadInput(`${place}: found ${tokens.length} tokens, expected at most ${VERIFY_ANSWER_MAX_TOKENS}`);
  }
  return tokens;
}

/**
 * The tokenizer files of two models: logits are comparable word by word only.
 *
 * @throws BadInput when they do not share vocabulary, tokenizer and template
 */
export function sharedText(a: Side, b: Side): ReadonlyMap<string, string | Uint8Array> {
  const [left, right] = [a.manifest.llm.vocabSize, b.manifest.llm.vocabSize];
  if (left !== right) {
    throw new BadInput(`${b.description}: found a vocabulary of ${right}, expected ${left} as in ${a.description}`);
  }
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
    const contents = [a, b].flatMap(({ text }) => (text === null ? [] : [decode(text.get(name))]));
    if (new Set(contents).size > 1) {
      throw new BadInput(`${b.description}: found another ${name} than in ${a.description}, expected the same`);
    }
  }
  const text = a.text ?? b.text;
  if (text === null) {
    throw new BadInput(`${a.description}, ${b.description}: found no tokenizer.json, expected one with either`);
  }
  return text;
}

function decode(content: string | Uint8Array | undefined): string {
  return typeof content === 'string' ? content : new TextDecoder().decode(content);
}
