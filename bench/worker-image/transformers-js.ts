/**
 * `node transformers-js.ts MODULE GRAPH PICTURE…`: each picture to 1024 embeddings by the image processor of transformers.js
 * (MODULE) and GRAPH in onnxruntime-node on one thread. Prints median milliseconds and CPU milliseconds of each as JSON.
 * The graph takes bytes, so that the processor need not normalise: that is in its favour.
 */
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { patchify } from '../../src/core/image/patchify.ts';
import { SHAPE_7B } from '../embed-graphs.ts';
import { percentile } from '../percentile.ts';

interface TransformersJs {
  RawImage: { fromBlob(blob: Blob): Promise<{ rgb(): unknown }> };
  CLIPImageProcessor: new (
    config: object,
  ) => (images: unknown[]) => Promise<{ pixel_values: { data: Float32Array; dims: number[] } }>;
}

const RUNS = 7;
const EDGE = 448;
const PATCH = 14;

const [module = '', graph = '', ...pictures] = process.argv.slice(2);
const { RawImage, CLIPImageProcessor } = (await import(pathToFileURL(module).href)) as TransformersJs;
const process448 = new CLIPImageProcessor({
  do_resize: true,
  size: { width: EDGE, height: EDGE },
  resample: 3,
  do_center_crop: false,
  do_rescale: false,
  do_normalize: false,
});
const session = await InferenceSession.create(graph, { intraOpNumThreads: 1 });
const side = BigInt(EDGE / PATCH);
const grid = new Tensor('int64', BigInt64Array.of(side, side), [2]);

const report: Record<string, { ms: number; cpuMs: number }> = {};
for (const picture of pictures) {
  const file = await readFile(picture);
  await embed(file);
  const runs: { ms: number; cpuMs: number }[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
    await embed(file);
    const { user, system } = process.cpuUsage(startCpu);
    runs.push({ ms: performance.now() - startMs, cpuMs: (user + system) / 1000 });
  }
  report[picture] = { ms: middle(runs.map(({ ms }) => ms)), cpuMs: middle(runs.map(({ cpuMs }) => cpuMs)) };
}
console.log(JSON.stringify(report));

async function embed(file: Uint8Array): Promise<void> {
  const image = await RawImage.fromBlob(new Blob([Uint8Array.from(file)]));
  const { pixel_values: planes } = await process448([image.rgb()]);
  const { data: patches } = patchify({ width: EDGE, height: EDGE, data: interleaved(planes.data) }, PATCH);
  const { positions, patchLength, hidden } = SHAPE_7B;
  const { embeddings } = await session.run({ patches: new Tensor('uint8', patches, [positions, patchLength]), grid });
  if (embeddings?.data.length !== positions * hidden) {
    throw new Error(`the graph gave ${embeddings?.data.length} values`);
  }
}

/** Planes of floats from 0 to 255 as bytes, pixel by pixel. */
function interleaved(planes: Float32Array): Uint8Array {
  const pixels = EDGE * EDGE;
  const data = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    data[i * 3] = planes[i] ?? 0;
    data[i * 3 + 1] = planes[pixels + i] ?? 0;
    data[i * 3 + 2] = planes[2 * pixels + i] ?? 0;
  }
  return data;
}

function middle(values: number[]): number {
  return percentile(values, 0.5);
}
