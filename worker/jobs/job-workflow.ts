import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers';
import { depsOf, tenancyOf } from '../isolate-deps.ts';
import { runJob } from './run-job.ts';
import { stepsOf } from './steps.ts';
import type { JobParams } from './workflow-params.ts';

/** One job; its instance has the job's id. */
export class JobWorkflow extends WorkflowEntrypoint<Env, JobParams> {
  override async run({ payload: params }: Readonly<WorkflowEvent<JobParams>>, step: WorkflowStep): Promise<void> {
    const deps = depsOf(this.env);
    const waitUntil = (work: Promise<unknown>): void => this.ctx.waitUntil(work);
    await runJob({ params, deps, tenancy: tenancyOf(deps), steps: stepsOf(step), waitUntil });
  }
}
