import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers';
import { depsOf, tenancyOf } from '../isolate-deps.ts';
import { deleteInstance } from './delete-instance.ts';
import { runJob } from './run-job.ts';
import { stepsOf } from './steps.ts';
import type { JobParams } from './workflow-params.ts';

/** One job; its instance has the job's id, and is gone when the job is over. */
export class JobWorkflow extends WorkflowEntrypoint<Env, JobParams> {
  override async run(event: Readonly<WorkflowEvent<JobParams>>, step: WorkflowStep): Promise<void> {
    const { payload: params, instanceId } = event;
    const deps = depsOf(this.env);
    const waitUntil = (work: Promise<unknown>): void => this.ctx.waitUntil(work);
    await runJob({ params, deps, tenancy: tenancyOf(deps), steps: stepsOf(step), waitUntil });
    await deleteInstance(this.env.JOBS, instanceId);
  }
}
