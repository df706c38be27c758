import type { EventType } from '../webhooks/event.ts';
import type { JobTask } from './job-request.ts';

export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface JobError {
  code: string;
  message: string;
}

/** What the index keeps of a job. The question, the image and the answer are not in it. */
export interface Job {
  id: string;
  batch: string | null;
  ref: string | null;
  task: JobTask;
  /** As the tenant names it. */
  model: string;
  state: JobState;
  error: JobError | null;
  /** Unix times in seconds. */
  created: number;
  started: number | null;
  ended: number | null;
  /** When payload, result and log are deleted. */
  expires: number;
  webhook: string | null;
}

/** How a job ended. */
export type JobEnd = { state: 'succeeded' } | { state: 'failed'; error: JobError };

export function isOver(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** A job as its owner sees it. */
export interface JobObject {
  object: 'job';
  id: string;
  batch_id: string | null;
  ref: string | null;
  task: JobTask;
  model: string;
  status: JobState;
  error: JobError | null;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  expires_at: number;
  webhook: string | null;
}

export function jobObject(job: Job): JobObject {
  return {
    object: 'job',
    id: job.id,
    batch_id: job.batch,
    ref: job.ref,
    task: job.task,
    model: job.model,
    status: job.state,
    error: job.error,
    created_at: job.created,
    started_at: job.started,
    ended_at: job.ended,
    expires_at: job.expires,
    webhook: job.webhook,
  };
}

/** The event that tells of a job's end; null while it goes on. */
export function eventOf(state: JobState): EventType | null {
  switch (state) {
    case 'succeeded':
    case 'failed':
    case 'cancelled':
      return `job.${state}`;
    case 'queued':
    case 'running':
      return null;
  }
}
