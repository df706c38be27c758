import { getLlama, type Llama, LlamaLogLevel, type Token } from 'node-llama-cpp';

/** llama.cpp itself, on the CPU, one thread, its cache in f32. */
export interface LlamaModel {
  tokenize(text: string): number[];
  /** Logits [V] after each token of a sequence. */
  logits(ids: readonly number[]): Promise<Float32Array[]>;
  /** The most likely next token, at most `count` times, from a prompt on to the end of the answer. */
  greedy(ids: readonly number[], count: number): Promise<number[]>;
  /** A header field, by its whole key. */
  metadata(key: string): unknown;
  dispose(): Promise<void>;
}

const CONTEXT_TOKENS = 256;

/** A runtime of its own for one test file. The package's installed binary, never a download or a build. */
export async function startLlama(): Promise<Llama> {
  return getLlama({ gpu: false, build: 'never', progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: 1 });
}

/** Loads a .gguf file, every tensor checked. Rejects with llama.cpp's reason. */
export async function openGguf(llama: Llama, path: string): Promise<LlamaModel> {
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, checkTensors: true });
  const context = await model.createContext({
    contextSize: CONTEXT_TOKENS,
    batchSize: CONTEXT_TOKENS,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
  const sequence = context.getSequence();

  return {
    tokenize: (text) => model.tokenize(text, true),
    async logits(ids) {
      await sequence.clearHistory();
      const input = ids.map((id): [Token, { generateNext: { logits: true } }] => [
        id as Token,
        { generateNext: { logits: true } },
      ]);
      const outputs = await sequence.controlledEvaluate(input);
      return outputs.map((output) => {
        const logits = output?.next.logits ?? new Map<Token, number>();
        const row = new Float32Array(logits.size);
        logits.forEach((value, token) => {
          row[token] = value;
        });
        return row;
      });
    },
    async greedy(ids, count) {
      await sequence.clearHistory();
      const answer: number[] = [];
      for await (const token of sequence.evaluate([...ids] as Token[], { temperature: 0 })) {
        answer.push(token);
        if (answer.length === count) {
          break;
        }
      }
      return answer;
    },
    metadata: (key) =>
      key.split('.').reduce<unknown>((inner, part) => Reflect.get(Object(inner), part), model.fileInfo.metadata),
    async dispose() {
      await context.dispose();
      await model.dispose();
    },
  };
}
