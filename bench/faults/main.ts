/**
 * `npm run faults`: a model server that breaks on demand, for any gateway to be aimed at; and, with `--report BASE_URL`,
 * what the gateway tells its clients about that. See bench/faults/README.md.
 */
import { parseArgs } from 'node:util';
import { FAULTS } from './faults.ts';
import { isWrong, report } from './report.ts';
import { startFaultServer } from './server.ts';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '9000' },
    host: { type: 'string', default: '127.0.0.1' },
    /** Base of a gateway, with /v1, that is asked instead of a server being started. */
    report: { type: 'string' },
    key: { type: 'string' },
    prefix: { type: 'string', default: '' },
    timeout: { type: 'string', default: '30' },
    /** Prints UPSTREAMS for our worker: one model for each fault, all at this URL. */
    upstreams: { type: 'string' },
  },
});

if (options.upstreams !== undefined) {
  console.log(JSON.stringify(upstreamsAt(options.upstreams)));
} else if (options.report === undefined) {
  await serve();
} else {
  await printReport(options.report);
}

async function serve(): Promise<void> {
  const { url } = await startFaultServer({ port: Number(options.port), host: options.host });
  console.log(`Faults at ${url}/v1, by the model's name or the header x-fault:\n`);
  for (const [name, { does }] of Object.entries(FAULTS)) {
    console.log(`  ${name.padEnd(16)}${does}`);
  }
  console.log(`\nWhat was asked, and when each connection closed: ${url}/requests`);
}

async function printReport(baseUrl: string): Promise<void> {
  const { key: apiKey, prefix, timeout } = options;
  const timeoutMs = Number(timeout) * 1000;
  let wrong = 0;
  for await (const told of report({ baseUrl: baseUrl.replace(/\/$/, ''), apiKey, prefix, timeoutMs })) {
    const { fault, stream, how, detail, ms } = told;
    const mark = isWrong(told) ? 'WRONG' : 'ok';
    wrong += isWrong(told) ? 1 : 0;
    const seconds = `${(ms / 1000).toFixed(1)} s`;
    console.log(
      [fault.padEnd(16), (stream ? 'stream' : 'whole').padEnd(8), mark.padEnd(7), how.padEnd(7), seconds.padStart(7)]
        .concat(detail)
        .join(' '),
    );
  }
  console.log(wrong === 0 ? '\nNo fault looks like an answer.' : `\n${wrong} wrong.`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

/** Timeouts are short, so that a report does not take an hour. */
function upstreamsAt(url: string): object[] {
  return Object.keys(FAULTS).map((model) => ({
    name: model,
    url,
    server: 'openai',
    wire: 'original',
    serves: model,
    first_byte_ms: model === 'slow-prefill' ? 25_000 : 2_000,
    idle_ms: 2_000,
    cold_start_ms: model === 'cold-start' ? 20_000 : 0,
  }));
}
