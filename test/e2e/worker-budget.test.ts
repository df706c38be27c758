import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
/** ONNX Runtime's module is 13.6 MiB of it; the platform takes 64 MiB. */
const UPLOAD_MAX_KIB = 16 * 1024;
const UPLOAD_GZIP_MAX_KIB = 4.25 * 1024;
/** Of running the script's top level here; Cloudflare ends a start after a second. */
const STARTUP_MAX_MS = 400;
const START_TIMEOUT_MS = 120_000;

let report: string;
let folder: string;

/** `wrangler check startup` bundles as `wrangler deploy --dry-run` does, runs the top level in workerd and profiles it. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vora-startup-'));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [WRANGLER, 'check', 'startup', '--outfile', join(folder, 'startup.cpuprofile')],
    { cwd: ROOT, env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1' } },
  );
  report = stdout;
}, START_TIMEOUT_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

function reported(pattern: RegExp): number {
  const found = pattern.exec(report)?.[1];
  if (found === undefined) {
    throw new Error(`no ${pattern} in:\n${report}`);
  }
  return Number(found);
}

describe('the deployed worker', () => {
  it('is small', () => {
    expect(reported(/Bundle: ([\d.]+) KiB/)).toBeLessThan(UPLOAD_MAX_KIB);
    expect(reported(/gzip: ([\d.]+) KiB/)).toBeLessThan(UPLOAD_GZIP_MAX_KIB);
  });

  it('starts quickly', () => {
    expect(reported(/Active: ([\d.]+) ms/)).toBeLessThan(STARTUP_MAX_MS);
  });
});
