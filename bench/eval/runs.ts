import { startEndpoint, startWorker } from '../../examples/whole-line.ts';
import { withProgress } from '../../weights-tools/progress.ts';
import type { Artifact, EvalArtifacts } from './artifacts.ts';
import { askAll } from './ask.ts';
import type { Question } from './question-sets.ts';

/** How the worker sends images on. */
export const WIRES = ['image_embeds', 'pixels'] as const;
export type Wire = (typeof WIRES)[number];

/** One model, asked in one way. */
export interface Run {
  readonly artifact: Artifact | 'base';
  /** `text`: questions without a picture, for which wires do not differ. */
  readonly wire: Wire | 'text';
  readonly questions: readonly Question[];
  /** Of each question, whether its answer was right. */
  readonly right: readonly boolean[];
  readonly seconds: number;
}

export interface RunPlan {
  readonly model: string;
  readonly artifacts: readonly Artifact[];
  readonly wires: readonly Wire[];
  readonly questions: readonly Question[];
}

/** Every artifact by every wire, and once on text alone; then the base on text. Each run is given out when it is done. */
export async function* runAll(plan: RunPlan, built: EvalArtifacts): AsyncGenerator<Run, undefined> {
  const pictures = plan.questions.filter(({ image }) => image !== null);
  const texts = plan.questions.filter(({ image }) => image === null);
  const servers = [...built.onnx].flatMap(([artifact, onnx]) =>
    plan.wires.map((wire, index) => ({ artifact, onnx, wire, withTexts: index === 0 })),
  );
  for (const { artifact, onnx, wire, withTexts } of servers) {
    yield* runServed({ onnx, edge: built.edge, model: plan.model, wire }, [
      { artifact, wire, questions: pictures },
      { artifact, wire: 'text', questions: withTexts ? texts : [] },
    ]);
  }
  if (built.base !== null) {
    yield* runServed({ onnx: built.base, edge: built.edge, model: plan.model, wire: WIRES[0] }, [
      { artifact: 'base', wire: 'text', questions: texts },
    ]);
  }
}

/** Starts a real endpoint and a real worker, and asks. */
async function* runServed(
  { onnx, edge, model, wire }: { onnx: string; edge: string; model: string; wire: Wire },
  plans: readonly Pick<Run, 'artifact' | 'wire' | 'questions'>[],
): AsyncGenerator<Run, undefined> {
  const asked = plans.filter(({ questions }) => questions.length > 0);
  if (asked.length === 0) {
    return;
  }
  const endpoint = await startEndpoint(onnx);
  try {
    const worker = await startWorker({ model, edgeFolder: edge, upstreamUrl: endpoint.url, wire });
    try {
      for (const run of asked) {
        const startMs = performance.now();
        const right = await withProgress(
          `${run.artifact} ${run.wire}`,
          run.questions.length,
          (progress) => askAll(worker.url, model, run.questions, () => progress.advance(1)),
          process.stderr,
          (total) => `${total} questions`,
        );
        yield { ...run, right, seconds: (performance.now() - startMs) / 1000 };
      }
    } finally {
      await worker.stop();
    }
  } finally {
    await endpoint.stop();
  }
}
