import type { Patches } from '../image/patchify.ts';
import { distinctPatches } from './distinct-patches.ts';
import type { FoldedWeights } from './folded-weights.ts';
import { type IntegerPanels, integerPanels, PANEL_COLUMNS } from './integer-panels.ts';
import { type PositionBlend, positionBlend } from './position-blend.ts';

/** The exports of wasm/patch-kernel; numbers are byte offsets and counts. */
interface KernelExports {
  centrePatch(from: number, length: number, centre: number, to: number): void;
  multiply(
    table: number,
    panels: number,
    pairs: number,
    patches: number,
    count: number,
    factors: number,
    out: number,
    outPitch: number,
  ): void;
  inverseLengths(
    rows: number,
    count: number,
    width: number,
    pitch: number,
    divisor: number,
    eps: number,
    factors: number,
  ): void;
  addBlend(from: number, to: number, width: number, ...rowsAndWeights: readonly number[]): void;
  addRowBf16(from: number, to: number, width: number, row: number): void;
  roundRow(row: number, width: number): void;
}

export interface PatchKernel {
  /** Patches u8 [N, 3·p·p] → f32 [N, hidden]; equal bytes for equal patches, on every machine. */
  embed(patches: Patches): Float32Array<ArrayBuffer>;
  /** The same, each number to the nearest bf16, as its bits: nothing is held at twice the size meanwhile. */
  embedBf16(patches: Patches): Uint16Array<ArrayBuffer>;
  /** Size of its memory, which never grows. */
  readonly byteLength: number;
}

/** Patches that go through the kernel together: their embeddings, 0.9 MB at 7B size, stay in the second cache. */
const BLOCK = 64;
const PAGE_BYTES = 65_536;

/**
 * The folded patch embedding in whole numbers:
 *
 *     embedding = (x · content + bias) / √(‖x · norm + bias‖² / D + eps) + position,   x = patch − centre
 *
 * x is whole already, the matrices become whole numbers of 16 bits with a scale for each column, and the products are
 * exact. What error there is comes from those 16 bits: about 2e-5 of an embedding's length.
 *
 * Peak memory while it is made, beside the weights' file: `byteLength` (20 MB at 7B size, 15 of them positions) and one
 * matrix; later `byteLength`, and the result of each call.
 *
 * Patches that are alike are multiplied once: the black beside a 4:3 picture is a quarter of them.
 */
export function createPatchKernel(module: WebAssembly.Module, weights: FoldedWeights): PatchKernel {
  const { patchLength, hidden, visionHidden, eps, normColumns, tableRows } = weights;
  const reach = Array.from(weights.centre, (centre) => Math.max(centre, 255 - centre));
  let byteLength = 0;
  const place = (bytes: number): number => {
    const start = byteLength;
    byteLength += Math.ceil(bytes / 16) * 16;
    return start;
  };
  const content = integerPanels('content', weights.content(), hidden, reach);
  const norm = integerPanels('norm', weights.norm(), normColumns, reach);
  const at = {
    content: place(content.byteLength),
    contentTable: place(8 * content.panels),
    norm: place(norm.byteLength),
    normTable: place(8 * norm.panels),
    // A last row may be read past its end, up to a whole panel.
    positions: place(4 * (tableRows * hidden + PANEL_COLUMNS)),
    centre: place(2 * patchLength),
    ones: place(4 * BLOCK),
    factors: place(4 * BLOCK),
    bytes: place(patchLength),
    patches: place(BLOCK * 4 * content.pairs),
    lengths: place(BLOCK * 4 * PANEL_COLUMNS * norm.panels),
    out: place(BLOCK * 4 * PANEL_COLUMNS * content.panels),
    row: place(4 * PANEL_COLUMNS * content.panels),
  };
  const memory = new WebAssembly.Memory({ initial: Math.ceil(byteLength / PAGE_BYTES) });
  const kernel = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
  const bytes = new Uint8Array(memory.buffer);
  placePanels(memory, content, at.content, at.contentTable);
  placePanels(memory, norm, at.norm, at.normTable);
  bytes.set(weights.positionBytes, at.positions);
  new Int16Array(memory.buffer, at.centre, patchLength).set(weights.centre);
  new Float32Array(memory.buffer, at.ones, BLOCK).fill(1);

  const lengthsPitch = 4 * PANEL_COLUMNS * norm.panels;
  const outPitch = 4 * PANEL_COLUMNS * content.panels;

  /** Embeddings without their positions, of the patches that begin at `starts`, to `at.out`. */
  function multiplyBlock(data: Uint8Array, starts: readonly number[]): void {
    starts.forEach((start, patch) => {
      bytes.set(data.subarray(start, start + patchLength), at.bytes);
      const fours = Math.floor(patch / 4) * 4 * content.pairs;
      kernel.centrePatch(at.bytes, patchLength, at.centre, at.patches + 4 * (fours + (patch % 4)));
    });
    const count = starts.length;
    const whole = Math.ceil(count / 4) * 4;
    kernel.multiply(at.normTable, norm.panels, norm.pairs, at.patches, whole, at.ones, at.lengths, lengthsPitch);
    kernel.inverseLengths(at.lengths, count, lengthsPitch / 4, lengthsPitch, visionHidden, eps, at.factors);
    kernel.multiply(at.contentTable, content.panels, content.pairs, at.patches, whole, at.factors, at.out, outPitch);
  }

  const width = outPitch / 4;
  const positionAt = (row: number): number => at.positions + 4 * hidden * row;

  /** Puts the sum of an embedding and its position at `at.row`: as f32, or each number as the nearest bf16. */
  function addPosition(from: number, position: PositionBlend, as: 'f32' | 'bf16'): void {
    const [first, ...others] = position;
    if (as === 'bf16' && first !== undefined && others.length === 0) {
      kernel.addRowBf16(from, at.row, width, positionAt(first.row));
      return;
    }
    // A row without weight adds zeros.
    const four = Array.from({ length: 4 }, (_, i) => position[i] ?? { row: first?.row ?? 0, weight: 0 });
    kernel.addBlend(
      from,
      at.row,
      width,
      ...four.map(({ row }) => positionAt(row)),
      ...four.map(({ weight }) => weight),
    );
    if (as === 'bf16') {
      kernel.roundRow(at.row, width);
    }
  }

  /** Embeds each kind of patch once; `take` hears of each patch where its embedding is, and its position's. */
  function embedEach(
    { data, rows, cols }: Patches,
    take: (patch: number, from: number, position: PositionBlend) => void,
  ): void {
    if (data.length !== rows * cols * patchLength) {
      throw new RangeError(`${rows * cols} patches of ${patchLength} bytes each, but ${data.length} bytes`);
    }
    const blendOf = positionBlend(tableRows, rows, cols);
    const kinds = distinctPatches(data, patchLength);
    for (let start = 0; start < kinds.length; start += BLOCK) {
      const block = kinds.slice(start, start + BLOCK);
      multiplyBlock(
        data,
        block.map(([first = 0]) => first * patchLength),
      );
      block.forEach((places, kind) => {
        for (const place of places) {
          take(place, at.out + outPitch * kind, blendOf(place));
        }
      });
    }
  }

  function embedInto<Result extends Float32Array | Uint16Array>(
    result: Result,
    patches: Patches,
    as: 'f32' | 'bf16',
  ): Result {
    const Numbers = as === 'f32' ? Float32Array : Uint16Array;
    const row = new Numbers(memory.buffer, at.row, hidden);
    embedEach(patches, (place, from, position) => {
      addPosition(from, position, as);
      result.set(row, place * hidden);
    });
    return result;
  }

  return {
    byteLength: memory.buffer.byteLength,
    embed: (patches) => embedInto(new Float32Array(patches.rows * patches.cols * hidden), patches, 'f32'),
    embedBf16: (patches) => embedInto(new Uint16Array(patches.rows * patches.cols * hidden), patches, 'bf16'),
  };
}

function placePanels(memory: WebAssembly.Memory, panels: IntegerPanels, start: number, table: number): void {
  panels.write(new Uint8Array(memory.buffer, start, panels.byteLength));
  const view = new DataView(memory.buffer, table, 8 * panels.panels);
  panels.places.forEach((place, panel) => {
    view.setUint32(8 * panel, start + place.start, true);
    view.setUint32(8 * panel + 4, place.firstPair, true);
  });
}
