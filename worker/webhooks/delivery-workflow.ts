import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers';
import { depsOf, tenancyOf } from '../isolate-deps.ts';
import { stepsOf } from '../jobs/steps.ts';
import type { DeliveryParams } from '../jobs/workflow-params.ts';
import { runDelivery } from './run-delivery.ts';

/** One delivery of a message: its instance has the message's id and the number of the run. */
export class DeliveryWorkflow extends WorkflowEntrypoint<Env, DeliveryParams> {
  override async run({ payload: params }: Readonly<WorkflowEvent<DeliveryParams>>, step: WorkflowStep): Promise<void> {
    const deps = depsOf(this.env);
    await runDelivery({ params, deps, tenancy: tenancyOf(deps), steps: stepsOf(step) });
  }
}
