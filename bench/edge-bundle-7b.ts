import { createHash } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE, manifestSchema } from '../src/core/model/manifest.ts';
import { buildArtifacts } from '../test/support/build-artifacts.ts';
import { SHAPE_7B } from './embed-graphs.ts';

const BUNDLE_GRAPH = 'patch_embed.onnx';

/**
 * An edge bundle of VoRA-7B's size that looks closer where it is asked to, in `folder`/edge-7b; `graph` is its patch
 * embedding. Its language model is the demo's by name only: no worker has one.
 */
export async function writeEdgeBundle7B(folder: string, graph: string): Promise<string> {
  const bundle = join(folder, 'edge-7b');
  await cp((await buildArtifacts()).edge, bundle, { recursive: true });
  await cp(graph, join(bundle, BUNDLE_GRAPH));
  const bytes = await readFile(graph);
  const digest = { path: BUNDLE_GRAPH, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  const path = join(bundle, MANIFEST_FILE);
  const manifest = manifestSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  const { vision, llm, artifacts } = manifest;
  const resize = { mode: 'by-detail', minPixels: 56 ** 2, maxPixels: 4000 * 14 ** 2 } as const;
  const changed = {
    ...manifest,
    vision: { ...vision, visionHidden: SHAPE_7B.visionHidden, positions: SHAPE_7B.positions, imageSize: 448, resize },
    llm: { ...llm, hiddenSize: SHAPE_7B.hidden },
    artifacts: artifacts.map((artifact) => (artifact.path === BUNDLE_GRAPH ? digest : artifact)),
  };
  await writeFile(path, JSON.stringify(changed));
  return bundle;
}
