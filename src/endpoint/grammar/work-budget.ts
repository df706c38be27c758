import { SCHEMA_WORK_MAX } from '../../core/limits.ts';
import { UnsupportedSchema } from './unsupported-schema.ts';

/** Steps that may still be spent on one schema. */
export interface WorkBudget {
  /** @throws UnsupportedSchema when nothing is left: one schema must not hold up all other requests. */
  spend(steps: number): void;
}

export function createWorkBudget(steps = SCHEMA_WORK_MAX): WorkBudget {
  let left = steps;
  return {
    spend(count) {
      left -= count;
      if (left < 0) {
        throw new UnsupportedSchema('', 'more work than one schema may cost');
      }
    },
  };
}
