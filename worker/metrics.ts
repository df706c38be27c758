import type { Outcome } from './request-record.ts';
import { counter, histogram, type Metric } from './prometheus.ts';

/** Upper bounds in seconds that OpenTelemetry advises for a GenAI operation, and for the first token of one. */
const DURATION_BUCKETS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN_BUCKETS = [0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60];

/**
 * Counts of this isolate since it started, for a self-hosted worker that Prometheus scrapes. On Cloudflare a worker runs
 * in many isolates, each with its own counts, and a scrape reaches any one of them: there Analytics Engine is the
 * source. Labels are names of ours and status codes, so their number is bounded.
 */
export interface Metrics {
  observe(outcome: Outcome): void;
  /** The text exposition format 0.0.4. */
  render(): string;
}

/** @param startedSeconds Unix time at which the isolate began to count. */
export function createMetrics(startedSeconds: number): Metrics {
  const started = counter('vora_isolate_start_time_seconds', 'Unix time at which this isolate began to count', 'gauge');
  started.add({}, startedSeconds);
  const requests = counter('vora_requests_total', 'Requests by route, status and how they ended');
  const failures = counter('vora_failures_total', 'Requests that failed, by kind of failure');
  const duration = histogram(
    'gen_ai_client_operation_duration_seconds',
    'Requests that called a model, from first to last byte',
    DURATION_BUCKETS,
  );
  const firstToken = histogram(
    'gen_ai_client_operation_time_to_first_chunk_seconds',
    'From the request to the first text of its answer',
    FIRST_TOKEN_BUCKETS,
  );
  const tokens = counter('vora_tokens_total', 'Tokens; output of answers that were cut off is counted by pieces');
  const images = counter('vora_images_total', 'Images in requests');
  const steps = counter('vora_step_seconds_total', 'Time spent in each step');
  const attempts = counter('vora_upstream_attempts_total', 'Calls of model servers, by what became of them');
  const bytes = counter('vora_body_bytes_total', 'Bytes of request and response bodies');

  return {
    observe(outcome) {
      const { usage, error } = outcome;
      const model = outcome.model ?? '';
      const route = outcome.route ?? '';
      requests.add({ route, status: String(outcome.status), how: outcome.how }, 1);
      if (error !== null) {
        failures.add({ route, failure: error.failure }, 1);
      }
      if (outcome.attempts > 0) {
        const operation = { gen_ai_operation_name: 'chat', gen_ai_request_model: model };
        const errorType = outcome.how === 'left' ? 'client-left' : (error?.failure ?? '');
        duration.observe({ ...operation, error_type: errorType }, outcome.totalMs / 1000);
        if (outcome.firstTokenMs !== null) {
          firstToken.observe(operation, outcome.firstTokenMs / 1000);
        }
        for (const { model: answering, upstream, outcome: word, times } of outcome.calls) {
          attempts.add({ model: answering, upstream, outcome: word }, times);
        }
      }
      tokens.add({ model, type: 'input' }, usage?.promptTokens ?? 0);
      tokens.add({ model, type: 'output' }, usage?.completionTokens ?? 0);
      images.add({ model }, outcome.images);
      bytes.add({ direction: 'in' }, outcome.bytesIn);
      bytes.add({ direction: 'out' }, outcome.bytesOut);
      for (const [step, ms] of Object.entries(outcome.steps)) {
        steps.add({ step }, ms / 1000);
      }
    },
    render() {
      const all: Metric[] = [started, requests, failures, duration, firstToken, tokens, images, steps, attempts, bytes];
      return all.map((metric) => metric.render()).join('');
    },
  };
}
