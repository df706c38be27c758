import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from 'cloudflare:workers';
import { depsOf, tenancyOf } from '../isolate-deps.ts';
import { deleteInstance } from '../jobs/delete-instance.ts';
import { stepsOf } from '../jobs/steps.ts';
import type { DeliveryParams } from '../jobs/workflow-params.ts';
import { runDelivery } from './run-delivery.ts';

/** One delivery of a message: its instance has the message's id and the number of the run, and is gone after its end. */
export class DeliveryWorkflow extends WorkflowEntrypoint<Env, DeliveryParams> {
  override async run(event: Readonly<WorkflowEvent<DeliveryParams>>, step: WorkflowStep): Promise<void> {
    const { payload: params, instanceId } = event;
    const deps = depsOf(this.env);
    await runDelivery({ params, deps, tenancy: tenancyOf(deps), steps: stepsOf(step) });
    await deleteInstance(this.env.DELIVERIES, instanceId);
  }
}
