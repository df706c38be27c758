import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runToEnd } from '../../examples/processes.ts';
import { VORA } from '../../examples/whole-line.ts';
import type { WeightFormat } from '../../weights-tools/export/onnx-plan.ts';
import { copyWithoutLora } from './without-lora.ts';

export const ARTIFACTS = ['f32', 'int8', 'int4'] as const satisfies readonly WeightFormat[];
export type Artifact = (typeof ARTIFACTS)[number];

export interface EvalArtifacts {
  /** For the worker. */
  readonly edge: string;
  /** For the endpoint. */
  readonly onnx: ReadonlyMap<Artifact, string>;
  /** The base LLM before it learned to see, in f32, for the endpoint. */
  readonly base: string | null;
  remove(): Promise<void>;
}

export interface ArtifactPlan {
  /** Folder with base/ and adapter/. */
  readonly model: string;
  readonly name: string;
  readonly artifacts: readonly Artifact[];
  readonly withBase: boolean;
}

/** Merges and exports into a folder of its own, so that nothing is judged that older code or weights wrote. */
export async function buildArtifacts(plan: ArtifactPlan): Promise<EvalArtifacts> {
  const home = await mkdtemp(join(tmpdir(), 'vora-eval-'));
  const remove = (): Promise<void> => rm(home, { recursive: true });
  try {
    return { ...(await buildIn(home, plan)), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function buildIn(
  home: string,
  { model, name, artifacts, withBase }: ArtifactPlan,
): Promise<Omit<EvalArtifacts, 'remove'>> {
  const base = join(model, 'base');
  const vora = async (out: string, ...args: string[]): Promise<string> => {
    await runToEnd(process.execPath, [VORA, ...args, '--out', join(home, out)]);
    return join(home, out);
  };
  const merge = (adapter: string, out: string): Promise<string> =>
    vora(out, 'merge', adapter, '--base', base, '--name', name, '--dtype', 'f32');

  const merged = await merge(join(model, 'adapter'), 'merged');
  const edge = await vora('edge', 'export', 'edge', merged);
  const onnx = new Map<Artifact, string>();
  for (const artifact of artifacts) {
    onnx.set(artifact, await vora(artifact, 'export', 'onnx', merged, '--weights', artifact));
  }
  if (!withBase) {
    return { edge, onnx, base: null };
  }
  await copyWithoutLora(join(model, 'adapter'), join(home, 'no-lora'));
  const blind = await merge(join(home, 'no-lora'), 'merged-base');
  return { edge, onnx, base: await vora('base', 'export', 'onnx', blind) };
}
