import { formatByteSize } from '../byte-size.ts';
import { formatTable } from '../table.ts';
import type { MergePlan, TensorJob } from './plan.ts';
import type { TensorRoles } from './tensor-roles.ts';

/** What a dry run prints: a line for each tensor, in the order of the output, then totals. */
export function describePlan(plan: MergePlan, roles: TensorRoles): string {
  const rows = plan.files.flatMap(({ path, jobs }) => jobs.map((job) => describeJob(path, job)));
  const dropped = roles.dropped.map(({ name, shape, dtype }) => [name, `[${shape.join(', ')}]`, dtype, 'drop', '', '']);
  const table = formatTable(['tensor', 'shape', 'dtype', 'action', 'bytes', 'file'], [...rows, ...dropped]);
  return `${table}\n${summarizePlan(plan, roles)}\n`;
}

function describeJob(path: string, job: TensorJob): string[] {
  const dtype = job.from.dtype === job.dtype ? job.dtype : `${job.from.dtype} → ${job.dtype}`;
  const action = job.lora === null ? job.action : `${job.action} r=${job.lora.rank}`;
  return [job.name, `[${job.shape.join(', ')}]`, dtype, action, String(job.end - job.start), path];
}

/** Counts by what happens to the tensors, and the bytes of output and buffers. */
export function summarizePlan(plan: MergePlan, roles: TensorRoles): string {
  const kept = roles.llm.size - roles.lora.size;
  const dropped = roles.dropped.reduce((sum, { start, end }) => sum + end - start, 0);
  return [
    `${roles.lora.size} tensors merged, ${kept} kept, ${roles.vision.size} of the vision embedding`,
    `${roles.dropped.length} dropped (aux_vision, ${formatByteSize(dropped)})`,
    `${formatByteSize(plan.outputBytes)} in ${plan.files.length} files`,
    `${formatByteSize(plan.peakBytes)} of buffers`,
  ].join('; ');
}
