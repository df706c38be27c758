/**
 * Puts the playground into one module of the worker, sample pictures included, so that it is there whatever the worker's
 * static assets hold. `[build]` in wrangler.toml runs this before each bundling of the worker.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { build } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '..');
const SAMPLES = join(ROOT, 'examples/images');
const RESULT = join(ROOT, 'worker/playground-files.js');

const TYPES = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.jpg', 'image/jpeg'],
  ['.webp', 'image/webp'],
]);

/** Written only when it changes: a running `wrangler dev` would start anew. */
export async function buildPlayground(): Promise<void> {
  const files = [
    file('/playground', '.html', Buffer.from(await renderPage())),
    file('/playground/style.css', '.css', await bundle('style.css')),
    file('/playground/main.js', '.js', await bundle('main.ts')),
    file('/playground/icon.svg', '.svg', await readFile(join(import.meta.dirname, 'icon.svg'))),
  ];
  for (const name of (await readdir(SAMPLES)).filter((path) => TYPES.has(extname(path))).sort()) {
    files.push(file(`/playground/${name}`, extname(name), await readFile(join(SAMPLES, name))));
  }
  const module = `export const PLAYGROUND_FILES = ${JSON.stringify(files, null, 1)};\n`;
  if ((await readFile(RESULT, 'utf8').catch(() => '')) !== module) {
    const written = `${RESULT}.${process.pid}.partial`;
    await writeFile(written, module);
    await rename(written, RESULT);
  }
}

function file(path: string, extension: string, bytes: Uint8Array): object {
  const type = TYPES.get(extension);
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { path, type, etag, base64: Buffer.from(bytes).toString('base64') };
}

async function bundle(entry: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, entry)],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    logLevel: 'warning',
  });
  return outputFiles[0]?.contents ?? new Uint8Array(0);
}

async function renderPage(): Promise<string> {
  const page = await readFile(join(import.meta.dirname, 'page.html'), 'utf8');
  const questions = JSON.parse(await readFile(join(SAMPLES, 'questions.json'), 'utf8')) as Record<string, string>;
  const samples = Object.entries(questions).map(
    ([name, question]) =>
      `<li><button type="button" data-sample="${escape(name)}" data-question="${escape(question)}">` +
      `<img src="/playground/${escape(name)}" alt="${escape(name)}" /><span>${escape(question)}</span></button></li>`,
  );
  return page.replace('<!-- samples -->', () => samples.join('\n'));
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

if (import.meta.main) {
  await buildPlayground();
}
