import { IMAGE_MAX_BYTES, R2_DELETE_MAX, STORE_PARALLEL } from '../../src/core/limits.ts';
import type { JobPayload } from '../../src/core/jobs/job-request.ts';
import { roomFor } from '../read-body.ts';

/**
 * What R2 holds of a job, under the tenant's own prefix: `TENANT/jobs/ID/request.json`, `…/image`, `…/result.json`. All of
 * it goes when the job is deleted or its retention ends.
 */
export interface JobStore {
  putRequest(job: string, payload: JobPayload): Promise<void>;
  request(job: string): Promise<JobPayload | null>;
  putImage(job: string, bytes: Uint8Array): Promise<void>;
  /** @param enter waits until so many bytes may be held. */
  image(job: string, enter: (bytes: number) => Promise<void>): Promise<Uint8Array<ArrayBuffer> | null>;
  putResult(job: string, result: object): Promise<void>;
  result(job: string): Promise<Record<string, unknown> | null>;
  remove(jobs: readonly string[]): Promise<void>;
}

const FILES = ['request.json', 'image', 'result.json'] as const;

export function openJobStore(bucket: Pick<R2Bucket, 'get' | 'put' | 'delete'>, tenant: string): JobStore {
  const key = (job: string, file: (typeof FILES)[number]) => `${tenant}/jobs/${job}/${file}`;
  const json = async <Value>(job: string, file: (typeof FILES)[number]) =>
    (await (await bucket.get(key(job, file)))?.json<Value>()) ?? null;
  return {
    async putRequest(job, payload) {
      await bucket.put(key(job, 'request.json'), JSON.stringify(payload));
    },
    request: (job) => json<JobPayload>(job, 'request.json'),
    async putImage(job, bytes) {
      await bucket.put(key(job, 'image'), bytes);
    },
    async image(job, enter) {
      const found = await bucket.get(key(job, 'image'));
      if (found === null) {
        return null;
      }
      await enter(roomFor(found.size, IMAGE_MAX_BYTES));
      return new Uint8Array(await found.arrayBuffer());
    },
    async putResult(job, result) {
      await bucket.put(key(job, 'result.json'), JSON.stringify(result));
    },
    result: (job) => json<Record<string, unknown>>(job, 'result.json'),
    async remove(jobs) {
      const keys = jobs.flatMap((job) => FILES.map((file) => key(job, file)));
      for (let start = 0; start < keys.length; start += R2_DELETE_MAX) {
        await bucket.delete(keys.slice(start, start + R2_DELETE_MAX));
      }
    },
  };
}

/** Does something for each item, a few at a time. */
export async function forEachParallel<Item>(items: readonly Item[], run: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: STORE_PARALLEL }, async () => {
      for (const item of rest) {
        await run(item);
      }
    }),
  );
}
