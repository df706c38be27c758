import { InferenceSession, Tensor } from 'onnxruntime-node';
import { createGraph } from '../onnx/graph-builder.ts';

/** One block of rows: all row-major f32. */
export interface GemmBlock {
  /** [rows, columns] */
  readonly w: Float32Array;
  /** [rows, rank] */
  readonly b: Float32Array;
  /** [rank, columns] */
  readonly a: Float32Array;
  readonly rows: number;
  readonly rank: number;
  readonly columns: number;
}

export interface Gemm {
  /** Writes W + B·A to `out` [rows, columns]. Takes memory for one more `out` while it runs. */
  run(block: GemmBlock, out: Float32Array): Promise<void>;
  release(): Promise<void>;
}

/** ONNX Runtime's own matrix product: f32 in, f32 accumulated. On all processors unless `threads` says otherwise. */
export async function createGemm(threads?: number): Promise<Gemm> {
  const graph = createGraph('gemm', (builder) => {
    const b = builder.input('b', 'f32', ['rows', 'rank']);
    const a = builder.input('a', 'f32', ['rank', 'columns']);
    const w = builder.input('w', 'f32', ['rows', 'columns']);
    builder.output(builder.node('Gemm', [b, a, w], { name: 'y' }), 'f32', ['rows', 'columns']);
  });
  // The arena would keep a second copy of every block; the blocks are ours and live for the whole run.
  const session = await InferenceSession.create(graph.encode(), {
    enableCpuMemArena: false,
    enableMemPattern: false,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
  });
  return {
    async run({ w, b, a, rows, rank, columns }, out) {
      const feeds = {
        b: new Tensor('float32', b, [rows, rank]),
        a: new Tensor('float32', a, [rank, columns]),
        w: new Tensor('float32', w, [rows, columns]),
      };
      const { y } = await session.run(feeds, { y: new Tensor('float32', out, [rows, columns]) });
      // The result is in `out`, but the binding also hands back a copy, hundreds of megabytes that no collector hurries
      // to free. Transferring its buffer to size 0 frees it now.
      if (y?.data instanceof Float32Array && y.data.buffer instanceof ArrayBuffer && y.data.buffer !== out.buffer) {
        y.data.buffer.transfer(0);
      }
    },
    release: () => session.release(),
  };
}
