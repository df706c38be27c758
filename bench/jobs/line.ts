import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Miniflare } from 'miniflare';
import { buildWorker } from '../../examples/built-worker.ts';
import { freePort } from '../../examples/processes.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { vora } from '../../test/support/build-artifacts.ts';
import { openHost } from '../../test/support/tenants-line.ts';
import { startTenantsWorker } from '../../test/support/tenants-worker.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODEL = 'vora-tiny';
const POLL_MS = 200;
const OPERATOR_KEY = 'operator';
/** Pictures with text, and what the demo model reads in them. */
const PICTURES = { 'word.png': 'HARBOR', 'price.jpg': '$4.95' };

/** A message about a job, as the receiver got it. */
interface Heard {
  readonly times: number;
  readonly text: string;
}

interface JobObject {
  id: string;
  status: string;
  ref: string;
}

/** Tenants, Workflows, the demo model and a receiver, all on this machine, with one tenant and its pictures. */
export interface JobsLine {
  readonly worker: Miniflare;
  /** One call with so many pictures, until all are told to the receiver. */
  run(images: number): Promise<void>;
  /** Jobs that the receiver has heard of. */
  told(): number;
  /** Of all jobs so far: how many failed, are not what the picture says, or were told more than once. */
  outcome(): Promise<{ failed: number; wrong: number; twice: number }>;
  stop(): Promise<void>;
}

export async function openJobsLine(): Promise<JobsLine> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-jobs-'));
  const [merged, onnx, edge] = [join(folder, 'merged'), join(folder, 'onnx'), join(folder, 'edge')];
  const source = ['models/vora-tiny/adapter', '--base', 'models/vora-tiny/base', '--name', MODEL];
  await vora('merge', ...source, '--dtype', 'f32', '--out', merged);
  await vora('export', 'onnx', merged, '--out', onnx);
  await vora('export', 'edge', merged, '--out', edge);
  const modules = await buildWorker();
  for (const { path, contents } of modules) {
    await writeFile(join(folder, path), contents);
  }
  const endpoint = await startEndpoint(onnx);
  const heard = new Map<string, Heard>();
  const receiver = await openHost((_, body, response) => {
    const { data } = JSON.parse(body) as { data: { id: string; result: { text: string } | null } };
    const times = (heard.get(data.id)?.times ?? 0) + 1;
    heard.set(data.id, { times, text: data.result?.text ?? '' });
    response.writeHead(204).end();
  });
  const port = await freePort();
  const worker = await startTenantsWorker({
    port,
    folder,
    edgeFolder: edge,
    hostsUrl: receiver.url,
    inspected: true,
    storage: join(folder, 'storage'),
    modules: modules.map(({ path }) => path),
    bindings: {
      MODEL,
      UPSTREAM_URL: endpoint.url,
      UPSTREAM_WIRE: 'image_embeds',
      UPSTREAM_SERVER: 'vora',
      ADMIN_KEY_SHA256: createHash('sha256').update(OPERATOR_KEY).digest('hex'),
    },
  });

  async function call<Answer>(key: string, method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as Answer;
  }

  const names = Object.keys(PICTURES);
  const uploads = await worker.getR2Bucket('UPLOADS');
  for (const name of names) {
    await uploads.put(`bench/${name}`, await readFile(join(ROOT, 'examples/images', name)));
  }
  const made = await call<{ key: { key: string } }>(OPERATOR_KEY, 'POST', '/admin/tenants', {
    id: 'bench',
    settings: { name: 'Bench' },
  });
  const { key } = made.key;

  async function everyJob(): Promise<JobObject[]> {
    const jobs: JobObject[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const path: string = `/v1/jobs?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const page: { data: JobObject[]; next_cursor: string | null } = await call(key, 'GET', path);
      jobs.push(...page.data);
      cursor = page.next_cursor;
    }
    return jobs;
  }

  return {
    worker,
    async run(images) {
      const list = Array.from({ length: images }, (_, i) => {
        const name = names[i % names.length] ?? '';
        return { image: `r2:${name}`, ref: name };
      });
      const { data } = await call<{ data: JobObject[] }>(key, 'POST', '/v1/jobs', {
        task: 'ocr',
        images: list,
        webhook: 'https://receiver.example/',
        webhook_payload: 'full',
      });
      const jobs = data.map(({ id }) => id);
      while (jobs.some((id) => !heard.has(id))) {
        await sleep(POLL_MS);
      }
    },
    told: () => heard.size,
    async outcome() {
      const jobs = await everyJob();
      const expected = new Map(Object.entries(PICTURES));
      return {
        failed: jobs.filter(({ status }) => status !== 'succeeded').length,
        wrong: jobs.filter(({ id, ref }) => heard.get(id)?.text !== expected.get(ref)).length,
        twice: [...heard.values()].filter(({ times }) => times > 1).length,
      };
    },
    async stop() {
      await worker.dispose();
      await Promise.all([endpoint.stop(), receiver.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
