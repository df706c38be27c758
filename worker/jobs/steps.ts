import type { WorkflowStep } from 'cloudflare:workers';
import { JOB_RETRIES, JOB_RETRY_DELAY_SECONDS, JOB_TRY_TIMEOUT_SECONDS } from '../../src/core/limits.ts';

/** What runs through once, however often its Workflow is begun again: the platform keeps each step's result. */
export interface Steps {
  /** Tries again, later and later, when `run` throws; throws its last error when no try is left. */
  do<Value extends Rpc.Serializable<Value>>(name: string, run: () => Promise<Value>): Promise<Value>;
  sleep(name: string, seconds: number): Promise<void>;
}

export function stepsOf(step: WorkflowStep): Steps {
  const config = {
    retries: { limit: JOB_RETRIES, delay: JOB_RETRY_DELAY_SECONDS * 1000, backoff: 'exponential' },
    timeout: JOB_TRY_TIMEOUT_SECONDS * 1000,
  } as const;
  return {
    do: (name, run) => step.do(name, config, run),
    sleep: (name, seconds) => step.sleep(name, seconds * 1000),
  };
}
