import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { LlmFacts } from '../../../src/core/model/manifest.ts';
import { embedTokensGraph } from '../../../weights-tools/onnx/embed-tokens-graph.ts';
import { codesOf, scalesOf } from '../../../weights-tools/onnx/stored-weight.ts';
import {
  type BlockEncoding,
  dequantizeMatMulNBits,
  GROUP_SIZES,
  quantizeMatMulNBits,
} from '../../../weights-tools/quantize/matmul-nbits.ts';
import { openGraph } from './graph-session.ts';

const VOCABULARY = 11;

describe('embedTokensGraph', () => {
  it.each(GROUP_SIZES.flatMap((groupSize) => [128, 70].map((columns) => ({ groupSize, columns }))))(
    'gives what ONNX Runtime dequantizes: $columns columns, groups of $groupSize',
    async ({ groupSize, columns }) => {
      const table = Float32Array.from(
        { length: VOCABULARY * columns },
        (_, i) => Math.sin(i * 12.9898) * (1 + (i % 5)),
      );
      const encoding: BlockEncoding = { bits: 8, groupSize, symmetric: true, clip: 'absmax' };
      const quantized = quantizeMatMulNBits(table, columns, encoding);
      const weight = { name: 'w', shape: [VOCABULARY, columns], encoding };
      const session = await openGraph(
        embedTokensGraph({ hiddenSize: columns } as LlmFacts, weight),
        new Map<string, ArrayBufferView>([
          [codesOf('w'), quantized.codes],
          [scalesOf('w'), quantized.scales],
        ]),
      );
      const ids = [3, 0, VOCABULARY - 1, 3];
      const { inputs_embeds: embeds } = await session.run({
        input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), [2, 2]),
      });
      expect(embeds?.dims).toEqual([2, 2, columns]);
      const rows = dequantizeMatMulNBits(quantized, columns, encoding);
      const expected = ids.flatMap((id) => [...rows.subarray(id * columns, (id + 1) * columns)]);
      expect(Array.from(embeds?.data as Float32Array)).toEqual(expected);
    },
  );
});
