import { WORKFLOW_BATCH_MAX } from '../../src/core/limits.ts';

/** Milliseconds after which an instance whose work is done is taken to be complete. */
export const REST_MS = 5000;

/** The platform's binding of a Workflow, as Miniflare's `getBindings` gives it out. */
export interface Workflow {
  deleteBatch(ids: readonly string[]): Promise<{ errors: readonly unknown[] }>;
}

/**
 * Lets go of Workflow instances that are done. Cloudflare takes an idle instance's object out of memory by itself; Miniflare
 * keeps each for as long as workerd runs. To delete an instance, by the platform's own call, ends its object.
 *
 * Many are deleted by one call, and none is asked for its state: what Miniflare gives out of workerd is held there too.
 */
export interface FinishedInstances {
  /** Its work is done. */
  add(id: string): void;
  /** Deletes those that have been done for some seconds. */
  end(): Promise<void>;
}

export function finishedInstances(workflow: Workflow): FinishedInstances {
  const waiting = new Map<string, number>();
  return {
    add(id) {
      waiting.set(id, performance.now() + REST_MS);
    },
    async end() {
      const now = performance.now();
      const ids = [...waiting].filter(([, at]) => at <= now).map(([id]) => id);
      for (let start = 0; start < ids.length; start += WORKFLOW_BATCH_MAX) {
        const { errors } = await workflow.deleteBatch(ids.slice(start, start + WORKFLOW_BATCH_MAX));
        if (errors.length > 0) {
          throw new Error(`${errors.length} instances were not ended, the first: ${JSON.stringify(errors[0])}`);
        }
      }
      for (const id of ids) {
        waiting.delete(id);
      }
    },
  };
}
