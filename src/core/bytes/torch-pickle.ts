import { TORCH_PICKLE_MAX_BYTES } from '../limits.ts';
import { MalformedFile } from './malformed-file.ts';

/** Dtypes that a wire tensor can have, with their item sizes in bytes. */
export const TORCH_ITEM_BYTES = { bf16: 2, f16: 2, f32: 4 } as const;
export type TorchDtype = keyof typeof TORCH_ITEM_BYTES;

/** Opcodes of pickle protocol 2 (CPython Lib/pickle.py) that the record of one tensor uses. */
const OP = {
  proto: 0x80,
  global: 0x63,
  mark: 0x28,
  unicode: 0x58,
  int8: 0x4b,
  int16: 0x4d,
  int32: 0x4a,
  tuple: 0x74,
  tuple2: 0x86,
  persistentId: 0x51,
  false: 0x89,
  emptyDict: 0x7d,
  emptyTuple: 0x29,
  reduce: 0x52,
  memoize8: 0x71,
  memoize32: 0x72,
  stop: 0x2e,
} as const;

const REBUILD = 'torch._utils _rebuild_tensor_v2';
const HOOKS = 'collections OrderedDict';
const STORAGE: Record<TorchDtype, string> = {
  bf16: 'torch BFloat16Storage',
  f16: 'torch HalfStorage',
  f32: 'torch FloatStorage',
};

/** What the pickle says: the matrix and the element count of the storage behind it. */
export interface TensorPickle {
  dtype: TorchDtype;
  shape: [rows: number, columns: number];
  numel: number;
}

/** `data.pkl` of a contiguous matrix in storage `0`, without memo opcodes: torch.load does not need them. */
export function writeTensorPickle(dtype: TorchDtype, [rows, columns]: [number, number]): Uint8Array<ArrayBuffer> {
  const program = [
    [OP.proto, 2],
    global(REBUILD),
    OP.mark,
    [OP.mark, unicode('storage'), global(STORAGE[dtype]), unicode('0'), unicode('cpu')].flat(),
    [integer(rows * columns), OP.tuple, OP.persistentId].flat(),
    integer(0),
    [integer(rows), integer(columns), OP.tuple2].flat(),
    [integer(columns), integer(1), OP.tuple2].flat(),
    [OP.false, OP.emptyDict],
    [OP.tuple, OP.reduce, OP.stop],
  ];
  return Uint8Array.from(program.flat());
}

/**
 * Reads `data.pkl` by matching it, opcode by opcode, against the one program that a contiguous matrix has.
 * Nothing is executed and no stack is kept, so no opcode can do anything.
 */
export function readTensorPickle(pickle: Uint8Array, name: string): TensorPickle {
  if (pickle.byteLength > TORCH_PICKLE_MAX_BYTES) {
    const found = `${pickle.byteLength} bytes`;
    throw new MalformedFile(name, 'data.pkl', found, `at most ${TORCH_PICKLE_MAX_BYTES}`);
  }
  const read = createPickleReader(pickle, name);
  read.op(OP.proto, 'PROTO');
  read.value(read.uint8(), 2, 'protocol');
  read.value(read.global(), REBUILD, 'constructor');
  read.op(OP.mark, 'MARK');
  read.op(OP.mark, 'MARK');
  read.value(read.unicode(), 'storage', 'persistent id');
  const storage = read.global();
  read.value(read.unicode(), '0', 'storage key');
  read.unicode();
  const numel = read.integer();
  read.op(OP.tuple, 'TUPLE');
  read.op(OP.persistentId, 'BINPERSID');
  read.value(read.integer(), 0, 'storage offset');
  const shape: [number, number] = [read.integer(), read.integer()];
  read.op(OP.tuple2, 'TUPLE2 (a 2-D shape)');
  read.value(read.integer(), shape[1], 'row stride');
  read.value(read.integer(), 1, 'column stride');
  read.op(OP.tuple2, 'TUPLE2');
  read.op(OP.false, 'NEWFALSE (requires_grad)');
  if (read.peek() === OP.emptyDict) {
    read.op(OP.emptyDict, 'EMPTY_DICT');
  } else {
    read.value(read.global(), HOOKS, 'backward hooks');
    read.op(OP.emptyTuple, 'EMPTY_TUPLE');
    read.op(OP.reduce, 'REDUCE');
  }
  read.op(OP.tuple, 'TUPLE');
  read.op(OP.reduce, 'REDUCE');
  read.op(OP.stop, 'STOP');
  read.end();
  for (const dtype of ['bf16', 'f16', 'f32'] as const) {
    if (STORAGE[dtype] === storage) {
      return { dtype, shape, numel };
    }
  }
  const expected = Object.values(STORAGE).join(', ');
  throw new MalformedFile(name, 'data.pkl storage', storage, expected);
}

function createPickleReader(pickle: Uint8Array, name: string) {
  const view = new DataView(pickle.buffer, pickle.byteOffset, pickle.byteLength);
  const ascii = new TextDecoder();
  let at = 0;

  const fail = (found: string, expected: string): never => {
    throw new MalformedFile(name, `data.pkl byte ${at}`, found, expected);
  };
  const take = (byteLength: number): number => {
    if (at + byteLength > pickle.byteLength) {
      fail('the end', `${byteLength} more bytes`);
    }
    at += byteLength;
    return at - byteLength;
  };
  const peek = () => pickle[at];
  const op = (expected: number, label: string) => {
    if (peek() !== expected) {
      fail(peek() === undefined ? 'the end' : `opcode 0x${view.getUint8(at).toString(16)}`, label);
    }
    at++;
    skipMemo();
  };
  // torch.save stores every value in the memo and never reads one back.
  const skipMemo = () => {
    if (peek() === OP.memoize8) {
      take(2);
    } else if (peek() === OP.memoize32) {
      take(5);
    }
  };
  const line = () => {
    const end = pickle.indexOf(0x0a, at);
    if (end < 0) {
      fail('no end of line', 'a global name');
    }
    const text = ascii.decode(pickle.subarray(at, end));
    at = end + 1;
    return text;
  };
  return {
    op,
    peek,
    uint8: () => view.getUint8(take(1)),
    global() {
      op(OP.global, 'GLOBAL');
      const text = `${line()} ${line()}`;
      skipMemo();
      return text;
    },
    unicode() {
      op(OP.unicode, 'BINUNICODE');
      const byteLength = view.getUint32(take(4), true);
      const start = take(byteLength);
      skipMemo();
      return ascii.decode(pickle.subarray(start, start + byteLength));
    },
    integer() {
      const opcode = peek();
      if (opcode === OP.int8) {
        return view.getUint8(take(2) + 1);
      }
      if (opcode === OP.int16) {
        return view.getUint16(take(3) + 1, true);
      }
      if (opcode !== OP.int32) {
        return fail('another opcode', 'BININT, BININT1 or BININT2');
      }
      const value = view.getInt32(take(5) + 1, true);
      return value < 0 ? fail(`${value}`, 'a count') : value;
    },
    value(found: string | number, expected: string | number, label: string) {
      if (found !== expected) {
        fail(`${label} ${JSON.stringify(found)}`, JSON.stringify(expected));
      }
    },
    end() {
      if (at !== pickle.byteLength) {
        fail('more bytes', 'the end');
      }
    },
  };
}

function global(name: string): number[] {
  return [OP.global, ...ascii(`${name.replace(' ', '\n')}\n`)];
}

function unicode(text: string): number[] {
  return [OP.unicode, text.length, 0, 0, 0, ...ascii(text)];
}

function integer(value: number): number[] {
  if (value <= 0xff) {
    return [OP.int8, value];
  }
  if (value <= 0xffff) {
    return [OP.int16, value & 0xff, value >>> 8];
  }
  return [OP.int32, value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
