import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { attentionBias } from '../../src/core/prompt/attention-bias.ts';
import { type ImageRun, imageRuns } from '../../src/core/prompt/image-runs.ts';
import type { Patches } from '../../src/core/image/patchify.ts';
import type { Prompt } from './prompt.ts';

/** Where the graphs of a model are: paths, or the bytes of one that has no file. */
export interface Graphs {
  readonly decoder: string;
  readonly embedTokens: string;
  /** Null: a model without eyes. */
  readonly patchEmbed: string | Uint8Array | null;
}

/** A model that answers for every position of a text it is shown. One call at a time. */
export interface LanguageSession {
  /**
   * Logits f32 [answer.length, vocabulary], row-major: row i is what the model says after the prompt and the first i tokens
   * of `answer`.
   */
  logits(prompt: Prompt, answer: readonly number[]): Promise<Float32Array>;
  /** The most likely continuation, its end token included, at most `maxTokens` long. */
  continueGreedily(prompt: Prompt, maxTokens: number): Promise<number[]>;
  close(): Promise<void>;
}

/** Keys and values, named as the decoder's inputs. */
type Cache = Readonly<Record<string, Tensor>>;

/** A prompt as rows f32 [length, hidden], with its image runs. */
interface EmbeddedPrompt {
  readonly rows: readonly Float32Array[];
  readonly runs: readonly ImageRun[];
}

/** Sees what the decoder gives out beside logits and cache, and for how many positions. */
export type ResultObserver = (results: InferenceSession.OnnxValueMapType, positions: number) => void;

export async function openLanguageSession(
  graphs: Graphs,
  llm: LlmFacts,
  observe: ResultObserver = () => undefined,
): Promise<LanguageSession> {
  const sessions: InferenceSession[] = [];
  const open = async (graph: string | Uint8Array): Promise<InferenceSession> => {
    const options = { logSeverityLevel: 3 } as const;
    const session = await (typeof graph === 'string'
      ? InferenceSession.create(graph, options)
      : InferenceSession.create(graph, options));
    sessions.push(session);
    return session;
  };
  const decoder = await open(graphs.decoder);
  const embedTokens = await open(graphs.embedTokens);
  const patchEmbed = graphs.patchEmbed === null ? null : await open(graphs.patchEmbed);
  const layers = Array.from({ length: llm.layers }, (_, layer) => layer);
  const cacheNames = layers.flatMap((layer) =>
    ['key', 'value'].map((part) => ({ past: `past_key_values.${layer}.${part}`, present: `present.${layer}.${part}` })),
  );
  const noCache: Cache = Object.fromEntries(
    cacheNames.map(({ past }) => [past, new Tensor('float32', new Float32Array(), [1, llm.kvHeads, 0, llm.headDim])]),
  );

  async function embedIds(ids: readonly number[]): Promise<Float32Array> {
    const input_ids = new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
    return floatsOf(await embedTokens.run({ input_ids }), 'inputs_embeds');
  }

  async function embedImage({ data, rows, cols }: Patches): Promise<Float32Array> {
    if (patchEmbed === null) {
      throw new Error('a prompt with an image came to a model without eyes');
    }
    const patches = new Tensor('uint8', data, [rows * cols, data.length / (rows * cols)]);
    const grid = new Tensor('int64', BigInt64Array.of(BigInt(rows), BigInt(cols)), [2]);
    return floatsOf(await patchEmbed.run({ patches, grid }), 'embeddings');
  }

  async function embed({ segments, images }: Prompt): Promise<EmbeddedPrompt> {
    const embedded = await inTurn(images, embedImage);
    const rows = await inTurn(segments, async (segment) =>
      segment.kind === 'text' ? embedIds(segment.ids) : (embedded[segment.index] ?? new Float32Array()),
    );
    const lengths = embedded.map((image) => image.length / llm.hiddenSize);
    return { rows, runs: imageRuns(segments, lengths) };
  }

  async function run(
    rows: readonly Float32Array[],
    { runs, start, past, keep }: { runs: readonly ImageRun[]; start: number; past: Cache; keep: number },
  ): Promise<{ logits: Float32Array; total: number; cache: Cache }> {
    const embeds = concatenate(rows);
    const length = embeds.length / llm.hiddenSize;
    const total = start + length;
    const results = await decoder.run({
      inputs_embeds: new Tensor('float32', embeds, [1, length, llm.hiddenSize]),
      attention_bias: new Tensor('float32', attentionBias(runs, start, length, total), [1, 1, length, total]),
      seqlens_k: new Tensor('int32', [total - 1], [1]),
      total_sequence_length: new Tensor('int32', [total], []),
      num_logits_to_keep: new Tensor('int64', [BigInt(keep)], []),
      ...past,
    });
    observe(results, length);
    const cache = Object.fromEntries(
      cacheNames.map((name): [string, Tensor] => [name.past, tensorOf(results, name.present)]),
    );
    return { logits: floatsOf(results, 'logits'), total, cache };
  }

  return {
    async logits(prompt, answer) {
      const { rows, runs } = await embed(prompt);
      const shown = answer.slice(0, -1);
      const all = shown.length === 0 ? rows : [...rows, await embedIds(shown)];
      const { logits } = await run(all, { runs, start: 0, past: noCache, keep: answer.length });
      return logits;
    },
    async continueGreedily(prompt, maxTokens) {
      const { rows, runs } = await embed(prompt);
      const answer: number[] = [];
      let step = await run(rows, { runs, start: 0, past: noCache, keep: 1 });
      for (;;) {
        const token = argmax(step.logits);
        answer.push(token);
        if (answer.length === maxTokens || llm.eosTokenIds.includes(token)) {
          return answer;
        }
        step = await run([await embedIds([token])], { runs, start: step.total, past: step.cache, keep: 1 });
      }
    },
    close: async () => {
      await Promise.all(sessions.map((session) => session.release()));
    },
  };
}

/** Index of the first largest value. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i += 1) {
    if ((logits[i] ?? Number.NaN) > (logits[best] ?? Number.NaN)) {
      best = i;
    }
  }
  return best;
}

async function inTurn<From, To>(items: readonly From[], work: (item: From) => Promise<To>): Promise<To[]> {
  const results: To[] = [];
  for (const item of items) {
    results.push(await work(item));
  }
  return results;
}

function concatenate(rows: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
  let filled = 0;
  for (const row of rows) {
    whole.set(row, filled);
    filled += row.length;
  }
  return whole;
}

function tensorOf(results: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = results[name];
  if (!(value instanceof Tensor)) {
    throw new TypeError(`the graph gave no ${name}`);
  }
  return value;
}

function floatsOf(results: InferenceSession.OnnxValueMapType, name: string): Float32Array {
  const { data } = tensorOf(results, name);
  if (!(data instanceof Float32Array)) {
    throw new TypeError(`${name}: the graph gave another element type than float32`);
  }
  return data;
}
