import type { Outcome } from './request-record.ts';

/**
 * One Analytics Engine data point for each request. Columns are known by position only, so new ones go to the end:
 *
 * index1 model; blob1 route, blob2 how it ended, blob3 failure, blob4 key, blob5 finish reason;
 * double1 status, double2 total ms, double3 first token ms, double4 prompt tokens, double5 completion tokens,
 * double6 images, double7 upstream attempts, double8 bytes in, double9 bytes out.
 *
 * What is not known is an empty text or 0.
 */
export function dataPoint(outcome: Outcome): AnalyticsEngineDataPoint {
  const { usage, error } = outcome;
  return {
    indexes: [outcome.model ?? ''],
    blobs: [outcome.route ?? '', outcome.how, error?.failure ?? '', outcome.key ?? '', outcome.finishReason ?? ''],
    doubles: [
      outcome.status,
      outcome.totalMs,
      outcome.firstTokenMs ?? 0,
      usage?.promptTokens ?? 0,
      usage?.completionTokens ?? 0,
      outcome.images,
      outcome.attempts,
      outcome.bytesIn,
      outcome.bytesOut,
    ],
  };
}
