import { dataPoint } from './analytics.ts';
import { type LogEntry, logLine } from './log-line.ts';
import type { Metrics } from './metrics.ts';
import type { Outcome } from './request-record.ts';

export interface RecorderSeams {
  log: (entry: LogEntry) => void;
  metrics: Metrics;
  /** Null where the binding is not configured. */
  analytics: Pick<AnalyticsEngineDataset, 'writeDataPoint'> | null;
}

/** Where outcomes go: one log line, the counts of this isolate, one data point. */
export function createRecorder({ log, metrics, analytics }: RecorderSeams): (outcome: Outcome) => void {
  return (outcome) => {
    log(logLine(outcome));
    metrics.observe(outcome);
    analytics?.writeDataPoint(dataPoint(outcome));
  };
}
