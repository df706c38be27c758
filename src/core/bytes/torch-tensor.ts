import { TORCH_DIMENSION_MAX } from '../limits.ts';
import { MalformedFile } from './malformed-file.ts';
import { layoutStoredZip, readStoredZip } from './stored-zip.ts';
import { readTensorPickle, TORCH_ITEM_BYTES, type TorchDtype, writeTensorPickle } from './torch-pickle.ts';

/** A contiguous matrix, row-major, little-endian. `data` holds exactly rows × columns items. */
export interface TorchTensor {
  dtype: TorchDtype;
  shape: [rows: number, columns: number];
  data: Uint8Array;
}

/** A torch.save file in three parts, so that `data` is never copied: the file is head, data, tail. */
export interface TorchContainer {
  /** Its length is a multiple of three, so head and data can be base64-encoded piece by piece. */
  head: Uint8Array;
  data: Uint8Array;
  tail: Uint8Array;
  byteLength: number;
}

/** Folder of all records; torch.load takes any name but needs one. */
const FOLDER = 'a';

/**
 * Lays a matrix out as the smallest zip that `torch.load(weights_only=True)` accepts (pytorch
 * docs/source/notes/serialization.rst; the minimal subset was found by experiment with torch 2.13).
 *
 * Equal tensors give equal bytes: prefix caches upstream hash them.
 */
export function encodeTorchTensor(tensor: TorchTensor): TorchContainer {
  const [rows, columns] = tensor.shape;
  const expected = rows * columns * TORCH_ITEM_BYTES[tensor.dtype];
  if (tensor.data.byteLength !== expected) {
    throw new RangeError(`Tensor data has ${tensor.data.byteLength} bytes; [${rows}, ${columns}] needs ${expected}`);
  }
  const ascii = new TextEncoder();
  const { head, tail } = layoutStoredZip(
    [
      { name: `${FOLDER}/data.pkl`, data: writeTensorPickle(tensor.dtype, tensor.shape) },
      { name: `${FOLDER}/byteorder`, data: ascii.encode('little') },
      { name: `${FOLDER}/version`, data: ascii.encode('3\n') },
    ],
    { name: `${FOLDER}/data/0`, data: tensor.data, offsetMultipleOf: 3 },
  );
  return { head, data: tensor.data, tail, byteLength: head.byteLength + expected + tail.byteLength };
}

/**
 * Reads what torch.save and `encodeTorchTensor` write for one contiguous 2-D tensor of a floating dtype.
 * The data is a view into `bytes`: nothing is allocated by a number from the file.
 *
 * @throws MalformedFile named `name`: not a plain stored zip, other pickle opcodes, big-endian, a view into a larger
 *   storage, or data whose length does not match the shape.
 */
export function decodeTorchTensor(bytes: Uint8Array, name = 'tensor'): TorchTensor {
  const records = readStoredZip(bytes, name);
  const folder = rootFolder([...records.keys()], name);
  const record = (path: string): Uint8Array => {
    const data = records.get(`${folder}/${path}`);
    if (data === undefined) {
      throw new MalformedFile(name, 'records', `no ${path}`, 'data.pkl, data/0 and version');
    }
    return data;
  };
  const ascii = new TextDecoder();
  const version = ascii.decode(record('version').subarray(0, 16));
  if (version.trim() !== '3') {
    throw new MalformedFile(name, 'version', JSON.stringify(version), '3');
  }
  const byteOrder = records.get(`${folder}/byteorder`);
  if (byteOrder !== undefined && ascii.decode(byteOrder.subarray(0, 16)) !== 'little') {
    throw new MalformedFile(name, 'byteorder', 'another order', 'little');
  }
  const { dtype, shape, numel } = readTensorPickle(record('data.pkl'), name);
  const data = record('data/0');
  const [rows, columns] = shape;
  if (rows > TORCH_DIMENSION_MAX || columns > TORCH_DIMENSION_MAX || rows * columns !== numel) {
    throw new MalformedFile(name, 'shape', `[${rows}, ${columns}] over ${numel} elements`, 'rows × columns elements');
  }
  if (data.byteLength !== numel * TORCH_ITEM_BYTES[dtype]) {
    const expected = `${numel * TORCH_ITEM_BYTES[dtype]} bytes`;
    throw new MalformedFile(name, 'data/0', `${data.byteLength} bytes`, expected);
  }
  return { dtype, shape, data };
}

function rootFolder(paths: string[], name: string): string {
  const folder = paths[0]?.split('/', 1)[0] ?? '';
  const stray = paths.find((path) => !path.startsWith(`${folder}/`));
  if (folder === '' || stray !== undefined) {
    throw new MalformedFile(name, 'records', stray ?? 'none', 'one top folder that holds them all');
  }
  return folder;
}
