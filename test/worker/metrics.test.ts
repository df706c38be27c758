import { describe, expect, it } from 'vitest';
import { dataPoint } from '../../worker/analytics.ts';
import { createDeps } from '../../worker/deps.ts';
import { emptyTally } from '../../worker/ledger.ts';
import { createMetrics } from '../../worker/metrics.ts';
import { createRecorder } from '../../worker/recorder.ts';
import type { Outcome } from '../../worker/request-record.ts';
import { fakeUpstream, goodAnswer, textEvent } from './fake-upstream.ts';
import { readExposition } from './prometheus-text.ts';
import { question, testApp, testConfig } from './test-app.ts';

const ANSWERED: Outcome = {
  request: 'r',
  method: 'POST',
  route: '/v1/chat/completions',
  how: 'answered',
  status: 200,
  error: null,
  model: 'mo"del\\\n',
  key: 'k',
  stream: true,
  images: 2,
  usage: { promptTokens: 100, completionTokens: 20, counted: false },
  finishReason: 'stop',
  calls: [
    { upstream: 'a', model: 'm', outcome: '503', times: 1, ...emptyTally() },
    { upstream: 'b', model: 'm', outcome: 'ok', times: 1, ...emptyTally(), pieces: 20 },
  ],
  billed: 1,
  attempts: 2,
  bytesIn: 1000,
  bytesOut: 500,
  firstTokenMs: 60,
  totalMs: 300,
  steps: { decode: 12, embed: 50 },
};
const FAILED: Outcome = {
  ...ANSWERED,
  how: 'failed',
  error: { failure: 'upstream-broke', message: null, at: [] },
  usage: { promptTokens: null, completionTokens: 3, counted: true },
  firstTokenMs: null,
  totalMs: 100_000,
};

describe('metrics', () => {
  it('add up, and read back as Prometheus reads them', () => {
    const metrics = createMetrics(1_700_000_000);
    for (const outcome of [ANSWERED, ANSWERED, FAILED]) {
      metrics.observe(outcome);
    }
    const samples = readExposition(metrics.render());
    const value = (name: string, labels: Record<string, string> = {}) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text))
        .map((sample) => sample.value);
    expect(value('vora_isolate_start_time_seconds')).toEqual([1_700_000_000]);
    expect(value('vora_requests_total', { how: 'answered', status: '200' })).toEqual([2]);
    expect(value('vora_failures_total')).toEqual([1]);
    expect(value('vora_tokens_total', { type: 'input', model: 'mo\\"del\\\\\\n' })).toEqual([200]);
    expect(value('vora_tokens_total', { type: 'output' })).toEqual([43]);
    expect(value('vora_images_total')).toEqual([6]);
    expect(value('vora_step_seconds_total', { step: 'embed' })[0]).toBeCloseTo(0.15);
    expect(value('vora_body_bytes_total', { direction: 'out' })).toEqual([1500]);
    expect(value('vora_upstream_attempts_total', { upstream: 'a', outcome: '503' })).toEqual([3]);
    const duration = 'gen_ai_client_operation_duration_seconds';
    expect(value(`${duration}_count`, { error_type: '' })).toEqual([2]);
    expect(value(`${duration}_bucket`, { error_type: '', le: '0.16' })).toEqual([0]);
    expect(value(`${duration}_bucket`, { error_type: '', le: '0.32' })).toEqual([2]);
    expect(value(`${duration}_bucket`, { error_type: 'upstream-broke', le: '81.92' })).toEqual([0]);
    expect(value(`${duration}_bucket`, { error_type: 'upstream-broke', le: '+Inf' })).toEqual([1]);
    expect(value(`${duration}_sum`, { error_type: 'upstream-broke' })).toEqual([100]);
    expect(value('gen_ai_client_operation_time_to_first_chunk_seconds_count')).toEqual([2]);
  });

  it('are served behind a switch of their own', async () => {
    const good = () => fakeUpstream(goodAnswer());
    expect((await testApp(good()).fetch('/metrics')).status).toBe(404);
    const open = testApp(good(), { config: testConfig({ metrics: 'open' }) });
    const response = await open.fetch('/metrics');
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    readExposition(await response.text());
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('scrape'));
    const keys = { listed: [{ id: 'p', sha256: new Uint8Array(digest) }], store: null };
    const keyed = testApp(good(), { config: testConfig({ metrics: keys }) });
    expect((await keyed.fetch('/metrics')).status).toBe(401);
    expect((await keyed.fetch('/metrics', { headers: { authorization: 'Bearer scrape' } })).status).toBe(200);
  });

  it('hold every request that went by', async () => {
    const metrics = createMetrics(0);
    const lines: object[] = [];
    const points: AnalyticsEngineDataPoint[] = [];
    const analytics = { writeDataPoint: (point?: AnalyticsEngineDataPoint) => void points.push(point ?? {}) };
    const record = createRecorder({ log: (line) => lines.push(line), metrics, analytics });
    const app = testApp(fakeUpstream([textEvent('a')]), { record });
    await (await app.chat({ ...question('Hi'), stream: true })).text();
    await app.fetch('/nowhere');
    expect([lines.length, points.length]).toEqual([2, 2]);
    const failures = readExposition(metrics.render()).filter(({ name }) => name === 'vora_failures_total');
    expect(failures.map(({ labels }) => labels)).toEqual([
      { route: '/v1/chat/completions', failure: 'upstream-broke' },
      { route: '', failure: 'not-found' },
    ]);
  });
});

describe('a data point', () => {
  it('goes where the binding says', () => {
    const points: object[] = [];
    const ANALYTICS = { writeDataPoint: (point: object) => void points.push(point) };
    const vars = { MODEL: 'm', AUTH: 'none', UPSTREAM_URL: 'http://u.test', BUNDLE_SOURCE: 'assets', ASSETS: {} };
    const { deps } = testApp(fakeUpstream(goodAnswer()));
    createDeps({ ...vars, UPSTREAM_WIRE: 'original', ANALYTICS }, deps).record(ANSWERED);
    expect(points).toEqual([dataPoint(ANSWERED)]);
  });

  it('keeps its columns in place, within the limits of Analytics Engine', () => {
    const point = dataPoint(ANSWERED);
    expect(point).toEqual({
      indexes: ['mo"del\\\n'],
      blobs: ['/v1/chat/completions', 'answered', '', 'k', 'stop'],
      doubles: [200, 300, 60, 100, 20, 2, 2, 1000, 500],
    });
    expect([point.indexes?.length, (point.blobs?.length ?? 0) <= 20, (point.doubles?.length ?? 0) <= 20]).toEqual([
      1,
      true,
      true,
    ]);
    expect(dataPoint({ ...FAILED, model: null, key: null, finishReason: null }).blobs).toEqual([
      '/v1/chat/completions',
      'failed',
      'upstream-broke',
      '',
      '',
    ]);
  });
});
