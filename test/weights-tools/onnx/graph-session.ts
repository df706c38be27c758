import { InferenceSession } from 'onnxruntime-node';
import { layoutExternalData } from '../../../weights-tools/onnx/external-data.ts';
import type { OnnxGraph } from '../../../weights-tools/onnx/graph-builder.ts';
import { createTensorWriter } from '../../../weights-tools/tensor-writer.ts';

/** Opens a graph in ONNX Runtime with its external weights from memory. */
export async function openGraph(
  graph: OnnxGraph,
  weights: ReadonlyMap<string, ArrayBufferView>,
): Promise<InferenceSession> {
  const layout = layoutExternalData('weights.data', graph.externals);
  const data = new Uint8Array(layout.byteLength);
  const writer = createTensorWriter(layout, {
    write: (bytes, position) => Promise.resolve(data.set(bytes, position)),
  });
  for (const { name } of graph.externals) {
    const tensor = weights.get(name);
    if (tensor === undefined) {
      throw new Error(`test has no weight ${name}`);
    }
    await writer.write(name, new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength));
  }
  writer.finish();
  const externalData = layout.byteLength === 0 ? [] : [{ path: 'weights.data', data }];
  return InferenceSession.create(graph.encode(layout), { externalData, intraOpNumThreads: 1, logSeverityLevel: 3 });
}
