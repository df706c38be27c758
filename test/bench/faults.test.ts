import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAULTS } from '../../bench/faults/faults.ts';

const MAIN = join(resolve(import.meta.dirname, '../..'), 'bench/faults/main.ts');
const REPORT_TIMEOUT_MS = 60_000;

let server: ChildProcess;
let base: string;

beforeAll(async () => {
  server = spawn(process.execPath, [MAIN, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  base = await new Promise((found) => {
    server.stdout?.on('data', (text: Buffer) => {
      const url = /Faults at (\S+),/.exec(text.toString())?.[1];
      if (url !== undefined) {
        found(url);
      }
    });
  });
});

afterAll(async () => {
  server.kill();
  await once(server, 'exit');
});

describe('npm run faults', () => {
  it('breaks as the model’s name or a header says, whatever stands before the name', async () => {
    const ask = async (model: string, headers = {}) => {
      const body = JSON.stringify({ model, messages: [] });
      return (await fetch(`${base}/chat/completions`, { method: 'POST', headers, body })).status;
    };
    expect(await Promise.all([ask('ok'), ask('http-500'), ask('gateway/http-429'), ask('faults:http-418')])).toEqual([
      200, 500, 429, 418,
    ]);
    expect(await ask('ok', { 'x-fault': 'http-503' })).toBe(503);
  });

  it('prints upstreams for a worker, a model for each fault', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, '--upstreams', base]);
    const upstreams = JSON.parse(stdout) as { name: string; serves: string; url: string }[];
    expect(upstreams.map(({ name, serves, url }) => [name, serves, url])).toEqual(
      Object.keys(FAULTS).map((name) => [name, name, base]),
    );
  });

  it(
    'reports of a gateway that passes everything on which faults look like answers',
    async () => {
      const told = await promisify(execFile)(process.execPath, [MAIN, '--report', base, '--timeout', '1']).then(
        () => null,
        ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
      );
      expect(told?.code).toBe(1);
      const marks = (told?.stdout ?? '').matchAll(/^(\S+) +(stream|whole) +(ok|WRONG) +(\w+)/gm);
      const found = new Map([...marks].map(([, fault, form, mark, how]) => [`${fault} ${form}`, `${mark} ${how}`]));
      expect(found.size).toBe(2 * Object.keys(FAULTS).length);
      expect(Object.fromEntries(found)).toMatchObject({
        'ok stream': 'ok whole',
        'ok whole': 'ok whole',
        'odd stream': 'ok whole',
        'refuse whole': 'ok error',
        'http-500 stream': 'ok error',
        'error-event stream': 'ok error',
        'stall stream': 'WRONG hung',
        'clean-cut stream': 'WRONG cut',
        'malformed-json stream': 'WRONG cut',
        'missing-finish stream': 'WRONG whole',
        'missing-finish whole': 'WRONG whole',
        'page stream': 'WRONG cut',
      });
    },
    REPORT_TIMEOUT_MS,
  );
});
