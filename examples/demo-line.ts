import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { runToEnd, type RunningServer } from './processes.ts';
import { startEndpoint, startWorker, VORA } from './whole-line.ts';

const ROOT = resolve(import.meta.dirname, '..');
const IMAGES = join(ROOT, 'examples/images');
const MIME = new Map([
  ['.png', 'image/png'],
  ['.jpg', 'image/jpeg'],
  ['.webp', 'image/webp'],
]);

export const DEMO_MODEL = 'vora-tiny';

/**
 * The whole line for the demo model: checkpoint → merge → export → endpoint → worker in real workerd. What is built is
 * kept until the checkpoint changes.
 *
 * @param preferredPort the worker's, taken where it is free.
 */
export async function startDemoLine(preferredPort?: number): Promise<RunningServer> {
  const folder = join(ROOT, 'artifacts', DEMO_MODEL);
  await buildArtifacts(folder);
  const endpoint = await startEndpoint(join(folder, 'onnx'));
  try {
    const worker = await startWorker({
      model: DEMO_MODEL,
      edgeFolder: join(folder, 'edge'),
      upstreamUrl: endpoint.url,
      wire: 'image_embeds',
      // What each stage takes is to be seen each time.
      vars: ['IMAGE_REUSE:off'],
      ...(preferredPort === undefined ? {} : { preferredPort }),
    });
    return {
      url: worker.url,
      async stop() {
        await worker.stop();
        await endpoint.stop();
      },
    };
  } catch (error) {
    await endpoint.stop();
    throw error;
  }
}

/** A picture of examples/images as clients send it. */
export async function pictureUrl(name: string): Promise<string> {
  const bytes = await readFile(join(IMAGES, name));
  return `data:${MIME.get(extname(name))};base64,${bytes.toString('base64')}`;
}

/** Built beside its place and moved there, since two of these may run at once. */
async function buildArtifacts(folder: string): Promise<void> {
  const source = join(ROOT, 'models', DEMO_MODEL);
  const checkpoint = await hashOf(source);
  if (await isMadeFrom(folder, checkpoint)) {
    return;
  }
  const building = `${folder}.${process.pid}`;
  await mkdir(building, { recursive: true });
  const merged = join(building, 'merged');
  const steps = [
    ['merged', 'merge', `${source}/adapter`, '--base', `${source}/base`, '--name', DEMO_MODEL, '--dtype', 'f32'],
    ['onnx', 'export', 'onnx', merged],
    ['edge', 'export', 'edge', merged],
  ];
  for (const [out = '', ...args] of steps) {
    await runToEnd(process.execPath, [VORA, ...args, '--out', join(building, out)]);
  }
  await writeFile(join(building, RECORD), checkpoint);
  if (await isMadeFrom(folder, checkpoint)) {
    await rm(building, { recursive: true });
  } else {
    await rm(folder, { recursive: true, force: true });
    await rename(building, folder);
  }
}

const RECORD = 'made-from.sha256';

async function isMadeFrom(folder: string, checkpoint: string): Promise<boolean> {
  const record = join(folder, RECORD);
  return existsSync(record) && (await readFile(record, 'utf8')) === checkpoint;
}

async function hashOf(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) {
    hash.update(path.slice(folder.length)).update(await readFile(path));
  }
  return hash.digest('hex');
}
