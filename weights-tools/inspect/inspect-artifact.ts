import { extname, join } from 'node:path';
import { type Manifest, MANIFEST_FILE, manifestSchema } from '../../src/core/model/manifest.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import { formatByteSize } from '../byte-size.ts';
import { readJsonFile } from '../json-file.ts';
import { VISION_FILE } from '../merge/plan.ts';
import { type Fact, type InspectedTensor, type Inspection, inspectionOf } from './inspection.ts';
import { inspectGguf } from './inspect-gguf.ts';
import { inspectOnnx } from './inspect-onnx.ts';
import { readTensors, voraFacts } from './inspect-safetensors.ts';

/** A folder that weights-tools wrote: its manifest, and the tensors of every file in it. Digests are not checked. */
export async function inspectArtifact(folder: string): Promise<Inspection> {
  const path = join(folder, MANIFEST_FILE);
  const manifest = parseWithSchema(manifestSchema, path, await readJsonFile(path));
  const bytes = manifest.artifacts.reduce((sum, file) => sum + file.bytes, 0);
  const facts = [
    {
      label: 'artifact',
      text: `${manifest.kind} of ${manifest.name}, weights ${manifest.weights}, ${MANIFEST_FILE} is sound`,
    },
    { label: 'files', text: `${manifest.artifacts.length}, ${formatByteSize(bytes)}` },
    ...modelFacts(manifest),
  ];
  const details = { manifest, config: null };
  return inspectionOf({ path: folder, kind: 'artifact folder', facts, details }, await tensorsIn(folder, manifest));
}

function modelFacts({ llm, vision }: Manifest): Fact[] {
  if (vision !== null) {
    return voraFacts({ llm, vision });
  }
  const text = `${llm.architecture}, ${llm.layers} layers, hidden ${llm.hiddenSize}, vocabulary ${llm.vocabSize}`;
  return [
    { label: 'language', text },
    { label: 'vision', text: 'none: a model of text only' },
  ];
}

/** Of the model's own safetensors, of the vision embedding beside it, of graphs and GGUF files. */
async function tensorsIn(folder: string, { kind, artifacts }: Manifest): Promise<InspectedTensor[]> {
  const paths = artifacts.map(({ path }) => path);
  const tensors: InspectedTensor[] = [];
  if (kind === 'merged' || kind === 'vllm') {
    tensors.push(...(await readTensors(folder)));
  }
  if (paths.includes(VISION_FILE)) {
    tensors.push(...(await readTensors(join(folder, VISION_FILE))));
  }
  for (const path of paths) {
    if (extname(path) === '.onnx') {
      tensors.push(...(await inspectOnnx(join(folder, path))).tensors);
    } else if (extname(path) === '.gguf') {
      tensors.push(...(await inspectGguf(join(folder, path))).tensors);
    }
  }
  return tensors;
}
