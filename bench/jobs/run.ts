import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildWorker } from '../../examples/built-worker.ts';
import { freePort } from '../../examples/processes.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { vora } from '../../test/support/build-artifacts.ts';
import { openHost } from '../../test/support/tenants-line.ts';
import { startTenantsWorker } from '../../test/support/tenants-worker.ts';
import { percentile } from '../percentile.ts';
import { workerdRssMb } from '../workerd-memory.ts';
import { growthOfEmptyWorkflows } from './empty-workflows.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODEL = 'vora-tiny';
const OPERATOR_KEY = 'operator';
const SAMPLE_MS = 1000;
/** Pictures with text, and what the demo model reads in them. */
const PICTURES = { 'word.png': 'HARBOR', 'price.jpg': '$4.95' };

export interface JobsReport {
  readonly jobs: number;
  readonly failed: number;
  /** Jobs whose text is not the picture's. */
  readonly wrong: number;
  /** Messages that a receiver got, each once. */
  readonly delivered: number;
  readonly seconds: number;
  /** Resident memory of workerd, in megabytes: before the call, then about once a second. */
  readonly rssMb: readonly number[];
  /** Growth by as many empty Workflow instances, in megabytes. */
  readonly emptyGrowthMb: number;
}

interface JobObject {
  id: string;
  status: string;
  ref: string;
}

/** One call with many pictures through tenants, Workflows, the demo model and webhooks, all on this machine. */
export async function benchJobs({ images }: { images: number }): Promise<JobsReport> {
  const batch = await runBatch(images);
  const emptyGrowthMb = await growthOfEmptyWorkflows({ jobs: images });
  const [restMb = 0] = batch.rssMb;
  console.log(
    `workerd grew by ${(batch.rssMb.at(-1) ?? 0) - restMb} MB; by ${emptyGrowthMb} MB with as many Workflow instances and steps that do nothing`,
  );
  return { ...batch, emptyGrowthMb };
}

async function runBatch(images: number): Promise<Omit<JobsReport, 'emptyGrowthMb'>> {
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
  const heard = new Map<string, string>();
  const receiver = await openHost((_, body, response) => {
    const { data } = JSON.parse(body) as { data: { id: string; result: { text: string } | null } };
    heard.set(data.id, data.result?.text ?? '');
    response.writeHead(204).end();
  });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const worker = await startTenantsWorker({
    port,
    folder,
    edgeFolder: edge,
    hostsUrl: receiver.url,
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
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as Answer;
  }

  async function everyJob(key: string): Promise<JobObject[]> {
    const jobs: JobObject[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page: { data: JobObject[]; next_cursor: string | null } = await call(
        key,
        'GET',
        `/v1/jobs?limit=200${after}`,
      );
      jobs.push(...page.data);
      cursor = page.next_cursor;
    }
    return jobs;
  }

  try {
    const uploads = await worker.getR2Bucket('UPLOADS');
    for (const name of Object.keys(PICTURES)) {
      await uploads.put(`bench/${name}`, await readFile(join(ROOT, 'examples/images', name)));
    }
    const made = await call<{ key: { key: string } }>(OPERATOR_KEY, 'POST', '/admin/tenants', {
      id: 'bench',
      settings: { name: 'Bench' },
    });
    const { key } = made.key;
    const names = Object.keys(PICTURES);
    const list = Array.from({ length: images }, (_, i) => {
      const name = names[i % names.length] ?? '';
      return { image: `r2:${name}`, ref: name };
    });
    const rssMb: number[] = [workerdRssMb()];
    const startMs = performance.now();
    await call(key, 'POST', '/v1/jobs', {
      task: 'ocr',
      images: list,
      webhook: 'https://receiver.example/',
      webhook_payload: 'full',
    });
    const takenMs = performance.now() - startMs;
    let jobs: JobObject[] = [];
    const isOver = () => jobs.length === images && jobs.every(({ status }) => !['queued', 'running'].includes(status));
    while (!isOver() || heard.size < jobs.filter(({ status }) => status === 'succeeded').length) {
      await sleep(SAMPLE_MS);
      rssMb.push(workerdRssMb());
      jobs = await everyJob(key);
    }
    const seconds = (performance.now() - startMs) / 1000;
    const expected = new Map(Object.entries(PICTURES));
    const wrong = jobs.filter(({ id, ref }) => heard.get(id) !== expected.get(ref)).length;
    const failed = jobs.filter(({ status }) => status !== 'succeeded').length;
    console.log(
      `${images} pictures in one call: taken in after ${(takenMs / 1000).toFixed(1)} s, all told to the receiver after ${seconds.toFixed(1)} s, ` +
        `${(images / seconds).toFixed(1)} a second; ${failed} failed, ${wrong} read wrongly; ` +
        `workerd resident, MB: at first and then at every 20th look ${rssMb.filter((_, i) => i % 20 === 0).join(', ')}, ` +
        `last ${rssMb.at(-1)}, median ${percentile(rssMb, 0.5)}`,
    );
    return { jobs: jobs.length, failed, wrong, delivered: heard.size, seconds, rssMb };
  } finally {
    await worker.dispose();
    await Promise.all([endpoint.stop(), receiver.stop()]);
    await rm(folder, { recursive: true, force: true });
  }
}
