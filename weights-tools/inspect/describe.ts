import { formatByteSize } from '../byte-size.ts';
import { printable } from '../printable.ts';
import { formatTable } from '../table.ts';
import type { InspectedTensor, Inspection } from './inspection.ts';

/** What `vora inspect` prints: facts, what there is of each part, and one row for each kind of tensor. */
export function describeInspection({ path, kind, facts, parts, tensors }: Inspection): string {
  const width = Math.max('kind'.length, ...facts.map(({ label }) => label.length));
  const lines = [path, `${'kind'.padEnd(width)}  ${printable(kind)}`];
  lines.push(...facts.map(({ label, text }) => `${label.padEnd(width)}  ${printable(text)}`));
  for (const [part, { tensors: count, bytes }] of Object.entries(parts)) {
    lines.push(`${String(count).padStart(6)} tensors, ${formatByteSize(bytes)}: ${part}`);
  }
  if (tensors.length > 0) {
    lines.push('', formatTable(['count', 'tensor', 'shape', 'dtype', 'size'], groupByPattern(tensors)));
  }
  return lines.join('\n');
}

/** One row for all layers: their tensors differ in a number only. */
function groupByPattern(tensors: readonly InspectedTensor[]): string[][] {
  const groups = new Map<string, { row: string[]; count: number; bytes: number }>();
  for (const { name, shape, dtype, bytes } of tensors) {
    const row = [printable(name).replaceAll(/(?<=\.)\d+(?=\.)/g, '*'), `[${shape.join(', ')}]`, dtype];
    const group = groups.get(row.join(' ')) ?? { row, count: 0, bytes: 0 };
    groups.set(row.join(' '), { row, count: group.count + 1, bytes: group.bytes + bytes });
  }
  return [...groups.values()].map(({ row, count, bytes }) => [String(count), ...row, formatByteSize(bytes)]);
}
