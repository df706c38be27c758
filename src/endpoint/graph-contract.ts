import { MalformedFile } from '../core/bytes/malformed-file.ts';
import type { Manifest, SeeingManifest } from '../core/model/manifest.ts';

/** Element type and shape of a graph input or output; a dimension named by a word may have any size. */
export interface Port {
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

export type Ports = Readonly<Record<string, Port>>;

export interface GraphContract {
  readonly inputs: Ports;
  readonly outputs: Ports;
}

/** What a session reports of itself (ONNX Runtime's ValueMetadata). */
export interface PortMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

export function decoderContract({ llm }: Manifest): GraphContract {
  const layers = Array.from({ length: llm.layers }, (_, layer) => layer);
  const cache = (name: string, length: string): Ports => {
    const port = { type: 'float32', shape: ['batch', llm.kvHeads, length, llm.headDim] };
    return Object.fromEntries(layers.flatMap((layer) => CACHE_PARTS.map((part) => [`${name}.${layer}.${part}`, port])));
  };
  return {
    inputs: {
      inputs_embeds: { type: 'float32', shape: ['batch', 'sequence', llm.hiddenSize] },
      attention_bias: { type: 'float32', shape: ['batch', 1, 'sequence', 'total'] },
      seqlens_k: { type: 'int32', shape: ['batch'] },
      total_sequence_length: { type: 'int32', shape: [] },
      num_logits_to_keep: { type: 'int64', shape: [] },
      ...cache('past_key_values', 'past'),
    },
    outputs: {
      logits: { type: 'float32', shape: ['batch', 'kept', llm.vocabSize] },
      ...cache('present', 'total'),
    },
  };
}

export const CACHE_PARTS = ['key', 'value'] as const;

export function embedTokensContract({ llm }: Manifest): GraphContract {
  return {
    inputs: { input_ids: { type: 'int64', shape: ['batch', 'sequence'] } },
    outputs: { inputs_embeds: { type: 'float32', shape: ['batch', 'sequence', llm.hiddenSize] } },
  };
}

export function patchEmbedContract({ llm, vision }: SeeingManifest): GraphContract {
  return {
    inputs: {
      patches: { type: 'uint8', shape: ['patches', 3 * vision.patchSize ** 2] },
      grid: { type: 'int64', shape: [2] },
    },
    outputs: { embeddings: { type: 'float32', shape: ['patches', llm.hiddenSize] } },
  };
}

/**
 * Compares what a graph takes and gives with the contract, both ways: a missing input cannot be fed, and one nobody
 * knows would stay empty.
 *
 * @throws MalformedFile naming the first input or output that differs.
 */
export function checkGraph(
  file: string,
  found: { inputMetadata: readonly PortMetadata[]; outputMetadata: readonly PortMetadata[] },
  contract: GraphContract,
): void {
  checkPorts(file, 'input', found.inputMetadata, contract.inputs);
  checkPorts(file, 'output', found.outputMetadata, contract.outputs);
}

function checkPorts(file: string, kind: string, found: readonly PortMetadata[], expected: Ports): void {
  for (const port of found) {
    if (!Object.hasOwn(expected, port.name)) {
      throw new MalformedFile(file, `${kind} ${port.name}`, 'it in the graph', `none of that name`);
    }
  }
  for (const [name, port] of Object.entries(expected)) {
    const candidate = found.find((metadata) => metadata.name === name);
    if (candidate === undefined || !fits(candidate, port)) {
      throw new MalformedFile(file, `${kind} ${name}`, describe(candidate), describe({ isTensor: true, ...port }));
    }
  }
}

function fits({ isTensor, type, shape }: Omit<PortMetadata, 'name'>, port: Port): boolean {
  return (
    isTensor &&
    type === port.type &&
    shape?.length === port.shape.length &&
    port.shape.every((size, axis) => typeof size === 'string' || size === shape[axis])
  );
}

function describe(port: Omit<PortMetadata, 'name'> | undefined): string {
  return port === undefined ? 'none' : `${port.type ?? 'no tensor'} [${port.shape?.join(', ') ?? ''}]`;
}
