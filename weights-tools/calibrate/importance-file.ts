import { layoutSafetensors } from '../../src/core/bytes/safetensors-layout.ts';
import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { layerTensor, LINEARS, linearShapes } from '../../src/core/model/tensor-names.ts';
import { BadInput } from '../bad-input.ts';
import { openCheckpoint } from '../checkpoint.ts';
import { readFloats, refuseNonFinite } from '../float-blocks.ts';
import { compareTensors, refuseProblems } from '../tensor-set.ts';

/**
 * What the squared error in a column of a linear counts for, [in], by name of the weight: the mean square of what came in
 * there during a calibration run. The error of the output is the weight's error times just that.
 */
export type Importance = ReadonlyMap<string, Float32Array>;

/** Of the mean over all columns: what one that never came to life counts for all the same. */
const FLOOR = 1e-4;

/** A safetensors file: f32 [in] for each linear of the blocks. */
export function encodeImportance(importance: Importance): Uint8Array {
  const tensors = [...importance].map(([name, { length }]) => ({ name, dtype: 'F32' as const, shape: [length] }));
  const layout = layoutSafetensors(tensors);
  const file = new Uint8Array(layout.byteLength);
  file.set(layout.header);
  for (const [name, { start }] of layout.tensors) {
    const values = importance.get(name) ?? new Float32Array();
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start);
  }
  return file;
}

/**
 * Reads what {@link encodeImportance} wrote: 4.5 MB at 7B size.
 *
 * @throws BadInput, MalformedFile when it is not that of a model of this shape
 */
export async function readImportance(path: string, llm: LlmFacts): Promise<Importance> {
  const expected = new Map<string, number[]>();
  for (let layer = 0; layer < llm.layers; layer += 1) {
    for (const [linear, [, columns]] of linearShapes(llm)) {
      expected.set(layerTensor(layer, LINEARS[linear]), [columns]);
    }
  }
  const file = await openCheckpoint(path);
  try {
    refuseProblems(compareTensors(expected, file.tensors), path);
    const importance = new Map<string, Float32Array>();
    for (const [name, tensor] of file.tensors) {
      const values = new Float32Array(tensor.shape[0] ?? 0);
      await readFloats(tensor, 0, values);
      refuseNonFinite(tensor, 'F32', values);
      refuseNegative(path, name, values);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      importance.set(
        name,
        values.map((value) => value + FLOOR * mean),
      );
    }
    return importance;
  } finally {
    await file.close();
  }
}

/** Mean squares are never negative; a weight below 0 would make the search prefer errors. */
function refuseNegative(path: string, name: string, values: Float32Array): void {
  const found = values.find((value) => value < 0);
  if (found !== undefined) {
    throw new BadInput(`${path}: tensor ${name}: found ${found}, expected mean squares, 0 or more`);
  }
}
