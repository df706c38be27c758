/** One box of an ISO base media file: where its content lies (ISO/IEC 14496-12, 4.2). */
export interface Box {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

const LARGE_SIZE = 1;
const TO_THE_END = 0;

/** The boxes between two places. Throws RangeError for one that leaves them. */
export function readBoxes(view: DataView, start: number, end: number): Box[] {
  const boxes: Box[] = [];
  for (let at = start; at < end;) {
    const [box, next] = readBox(view, at, end);
    boxes.push(box);
    at = next;
  }
  return boxes;
}

/** The first box of a type. Throws RangeError where there is none. */
export function boxOf(boxes: readonly Box[], type: string): Box {
  const box = boxes.find((candidate) => candidate.type === type);
  if (box === undefined) {
    throw new RangeError(`it has no box '${type}'`);
  }
  return box;
}

/** Version of a full box; its content follows after four bytes. */
export function versionOf(view: DataView, { start }: Box): number {
  return view.getUint8(start);
}

/** A four-character code. */
export function fourCC(view: DataView, at: number): string {
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, 4));
}

function readBox(view: DataView, at: number, end: number): [Box, next: number] {
  const short = view.getUint32(at);
  const isLarge = short === LARGE_SIZE;
  const size = isLarge ? Number(view.getBigUint64(at + 8)) : short === TO_THE_END ? end - at : short;
  const header = isLarge ? 16 : 8;
  if (size < header || at + size > end) {
    throw new RangeError(`a box of ${size} bytes at ${at} does not fit`);
  }
  return [{ type: fourCC(view, at + 4), start: at + header, end: at + size }, at + size];
}
