import { formatByteSize } from '../byte-size.ts';
import { printable } from '../printable.ts';
import { formatTable } from '../table.ts';
import type { MergeModel } from './merge-model.ts';
import type { MergePlan, TensorJob } from './plan.ts';

/** What a dry run prints: a line for each tensor, in the order of the output, then totals. */
export function describePlan(plan: MergePlan, model: MergeModel): string {
  const rows = plan.files.flatMap(({ path, jobs }) => jobs.map((job) => describeJob(path, job)));
  const dropped = model.dropped.map(({ name, shape, dtype }) => [
    printable(name),
    `[${shape.join(', ')}]`,
    dtype,
    'drop',
    '',
    '',
  ]);
  const table = formatTable(['tensor', 'shape', 'dtype', 'action', 'bytes', 'file'], [...rows, ...dropped]);
  return `${table}\n${summarizePlan(plan, model)}\n`;
}

function describeJob(path: string, { name, shape, dtype, action, weight, start, end }: TensorJob): string[] {
  const { tensor, merged, isStored, isReplaced } = weight;
  const dtypes = tensor.dtype === dtype ? dtype : `${tensor.dtype} → ${dtype}`;
  const what = [
    isReplaced ? 'replace' : '',
    merged !== null ? `merge r=${merged.rank}` : isStored ? (isReplaced ? '' : action) : 'change',
  ];
  return [name, `[${shape.join(', ')}]`, dtypes, what.filter(Boolean).join(', '), String(end - start), path];
}

/** Counts by what happens to the tensors, and the bytes of output and buffers. */
export function summarizePlan(plan: MergePlan, { weights, vision, dropped }: MergeModel): string {
  const all = [...weights.values()];
  const merged = all.filter((weight) => weight.merged !== null).length;
  const changed = all.filter((weight) => weight.merged === null && (weight.isReplaced || !weight.isStored)).length;
  const droppedBytes = dropped.reduce((sum, { start, end }) => sum + end - start, 0);
  return [
    `${merged} tensors merged, ${changed === 0 ? '' : `${changed} replaced, `}${all.length - merged - changed} kept` +
      (vision === null ? '' : `, ${vision.tensors.size} of the vision embedding`),
    ...(vision === null && dropped.length === 0
      ? []
      : [
          `${dropped.length} dropped (${vision === null ? 'no part of the model' : 'aux_vision'}, ${formatByteSize(droppedBytes)})`,
        ]),
    `${formatByteSize(plan.outputBytes)} in ${plan.files.length} files`,
    `${formatByteSize(plan.peakBytes)} of buffers` +
      (plan.options.threads === 1 ? '' : ` on ${plan.options.threads} threads`),
  ].join('; ');
}
