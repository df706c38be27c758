import type { JobEnd } from '../../src/core/jobs/job.ts';
import { WORKFLOW_BATCH_MAX } from '../../src/core/limits.ts';
import type { DeliveryParams, JobParams } from '../jobs/workflow-params.ts';
import type { Work, WorkKind, WorkList } from './work-list.ts';

export interface WorkKeeperSeams {
  work: WorkList;
  tenant: string;
  workflows: { job: Workflow<JobParams>; delivery: Workflow<DeliveryParams> };
  watchSeconds: number;
  /** A Workflow ended without telling: what it should have done never happens. */
  lost(work: Work, error: Extract<JobEnd, { state: 'failed' }>['error']): void;
}

/** An event that no step waits for: an instance that a restart left lying goes on where it was. */
const WAKE = { type: 'wake', payload: null };

/**
 * Hands work over to Workflows and looks after what is silent. Handing over twice is harmless: an instance of the same id
 * is not created again.
 *
 * @returns whether all that was due could be handed over.
 */
export async function keepWork(seams: WorkKeeperSeams, now: number): Promise<boolean> {
  const { work } = seams;
  try {
    for (const kind of ['job', 'delivery'] as const) {
      for (
        let ids = work.unstarted(kind, WORKFLOW_BATCH_MAX);
        ids.length > 0;
        ids = work.unstarted(kind, WORKFLOW_BATCH_MAX)
      ) {
        await create(seams, kind, ids);
        for (const id of ids) {
          work.watch(kind, id, now, seams.watchSeconds);
        }
      }
    }
    for (const item of work.overdue(now, WORKFLOW_BATCH_MAX)) {
      await lookAfter(seams, item);
      work.lookedAfter(item, now, seams.watchSeconds);
    }
    return true;
  } catch {
    return false;
  }
}

async function create({ workflows, tenant }: WorkKeeperSeams, kind: WorkKind, ids: string[]): Promise<void> {
  if (kind === 'job') {
    await workflows.job.createBatch(ids.map((id) => ({ id, params: { tenant, job: id } })));
  } else {
    await workflows.delivery.createBatch(ids.map((id) => ({ id, params: { tenant, ...deliveryOf(id) } })));
  }
}

async function lookAfter(seams: WorkKeeperSeams, item: Work): Promise<void> {
  const workflow: Workflow<JobParams> | Workflow<DeliveryParams> = seams.workflows[item.kind];
  let instance: WorkflowInstance;
  try {
    instance = await workflow.get(item.id);
  } catch {
    await create(seams, item.kind, [item.id]);
    return;
  }
  const { status } = await instance.status();
  if (status === 'errored' || status === 'terminated' || status === 'complete') {
    seams.lost(item, { code: 'job_lost', message: `The job's Workflow ended as ${status}` });
  } else {
    await instance.sendEvent(WAKE);
  }
}

/** Instance `MESSAGE-RUN` delivers a message for the RUN-th time. */
export function deliveryOf(instance: string): { message: string; run: number } {
  const end = instance.lastIndexOf('-');
  return { message: instance.slice(0, end), run: Number(instance.slice(end + 1)) };
}
