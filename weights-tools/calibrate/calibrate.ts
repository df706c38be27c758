import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { isSeeing, type LlmFacts } from '../../src/core/model/manifest.ts';
import { layerTensor, LINEARS } from '../../src/core/model/tensor-names.ts';
import { beginArtifactFolder } from '../artifact-folder.ts';
import { BadInput } from '../bad-input.ts';
import type { ExportSource } from '../export/export-source.ts';
import { type OnnxEncoding, planOnnx } from '../export/onnx-plan.ts';
import { buildPatchEmbed } from '../export/patch-embed.ts';
import { writeModel } from '../export/write-model.ts';
import { inputSquares, OBSERVED_INPUTS, type ObservedLinear } from '../onnx/decoder-graph.ts';
import { type Progress, withProgress } from '../progress.ts';
import { openLanguageSession } from '../verify/language-session.ts';
import { createPromptReader } from '../verify/prompt.ts';
import type { Question } from '../verify/prompt-set.ts';
import { createImageReader } from '../verify/read-image.ts';
import type { Importance } from './importance-file.ts';

/** Near enough to f32 for what comes in at a linear, at a byte a weight on the disk. */
const INT8: OnnxEncoding = { weights: 'int8', groupSize: 32, symmetric: true, clip: 'absmax' };

export interface CalibrationOptions {
  /** Length of an answer that is the model's own, where the question has none. */
  readonly maxTokens: number;
  readonly memoryBytes: number;
  /** Where the graphs are written meanwhile. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}

export interface Calibration {
  readonly importance: Importance;
  /** Tokens and image patches that went through the model. */
  readonly positions: number;
}

/**
 * Asks the model every question, through the endpoint's own decoder, and takes the mean squares of what comes in at each
 * linear of the blocks, over all positions of prompts and answers.
 *
 * @throws BadInput when a model that sees is shown no picture: what its image tokens need would count for nothing
 */
export async function calibrate(
  source: ExportSource,
  questions: readonly Question[],
  { maxTokens, memoryBytes, scratch, signal }: CalibrationOptions,
): Promise<Calibration> {
  const { manifest, vision, text } = source;
  if (isSeeing(manifest) && questions.every(({ image }) => image === null)) {
    throw new BadInput(`${source.description}: found no prompt with a picture, expected some: this model sees`);
  }
  const reader = createPromptReader(text.contents, await createImageReader());
  const means = createMeans(manifest.llm);
  const home = await mkdtemp(join(scratch, 'vora-calibrate-'));
  try {
    const plan = planOnnx(manifest.llm, source.llm, { encoding: INT8, memoryBytes, isObserved: true });
    const folder = await beginArtifactFolder(join(home, 'graphs'));
    await withProgress('graphs', plan.outputBytes, (progress) => writeModel(plan, folder, { progress, signal }));
    const graphs = {
      decoder: join(folder.path, 'decoder.onnx'),
      embedTokens: join(folder.path, 'embed_tokens.onnx'),
      patchEmbed: isSeeing(manifest) && vision !== null ? (await buildPatchEmbed(manifest, vision)).model : null,
    };
    const session = await openLanguageSession(graphs, manifest.llm, means.add);
    try {
      const ask = async (progress: Progress): Promise<void> => {
        for (const question of questions) {
          signal.throwIfAborted();
          const prompt = await reader.read(question, manifest.vision);
          const answer = question.answer === null ? [] : reader.answerIds(question.answer);
          await (answer.length === 0
            ? session.continueGreedily(prompt, maxTokens)
            : session.logits(prompt, [...answer, ...manifest.llm.eosTokenIds.slice(0, 1)]));
          progress.advance(1);
        }
      };
      await withProgress('calibrate', questions.length, ask, process.stderr, (count) => `${count} prompts`);
    } finally {
      await session.close();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  return means.finish();
}

/** Sums of squares in float64, one for each input that several linears may share. */
function createMeans(llm: LlmFacts): {
  add: (results: InferenceSession.OnnxValueMapType, positions: number) => void;
  finish: () => Calibration;
} {
  const observed = Object.keys(OBSERVED_INPUTS) as ObservedLinear[];
  const inputs = Array.from({ length: llm.layers }, (_, layer) =>
    observed.map((linear) => ({ layer, linear, output: inputSquares(layer, linear) })),
  ).flat();
  const sums = new Map<string, Float64Array>();
  let total = 0;
  return {
    add(results, positions) {
      total += positions;
      for (const { output } of inputs) {
        const squares = results[output]?.data;
        if (!(squares instanceof Float32Array)) {
          throw new TypeError(`${output}: the graph gave no f32 output`);
        }
        const sum = sums.get(output) ?? new Float64Array(squares.length);
        squares.forEach((square, i) => {
          sum[i] = (sum[i] ?? 0) + square;
        });
        sums.set(output, sum);
      }
    },
    finish() {
      const importance = inputs.flatMap(({ layer, linear, output }) => {
        const mean = Float32Array.from(sums.get(output) ?? [], (sum) => sum / total);
        return OBSERVED_INPUTS[linear].map((name) => [layerTensor(layer, LINEARS[name]), mean] as const);
      });
      return { importance: new Map(importance), positions: total };
    },
  };
}
