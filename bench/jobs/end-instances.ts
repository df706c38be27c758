import { WORKFLOW_BATCH_MAX } from '../../src/core/limits.ts';

/** The platform's binding of a Workflow, as Miniflare's `getBindings` gives it out. */
export interface Workflow {
  deleteBatch(ids: readonly string[]): Promise<{ errors: readonly unknown[] }>;
}

/**
 * Lets go of Workflow instances that are complete. Cloudflare takes an idle instance's object out of memory by itself;
 * Miniflare keeps each for as long as workerd runs. To delete an instance, by the platform's own call, ends its object.
 *
 * None is asked for its state before: what Miniflare gives out of workerd is held there too.
 */
export async function endInstances(workflow: Workflow, ids: readonly string[]): Promise<void> {
  for (let start = 0; start < ids.length; start += WORKFLOW_BATCH_MAX) {
    const { errors } = await workflow.deleteBatch(ids.slice(start, start + WORKFLOW_BATCH_MAX));
    if (errors.length > 0) {
      throw new Error(`${errors.length} instances were not ended, the first: ${JSON.stringify(errors[0])}`);
    }
  }
}
