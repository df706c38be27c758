import * as workers from 'cloudflare:workers';

export type SpanAttributes = Record<string, string | number | boolean | undefined>;

/** An open span; it may outlive the handler, as a streamed answer does. */
export interface OpenSpan {
  set(attributes: SpanAttributes): void;
  /** @param errorType the kind of failure, which marks the span as failed. */
  end(errorType?: string): void;
}

/** Spans of Workers tracing. Attributes hold counts, names and times; never prompts, images, keys or URLs. */
export interface Trace {
  open(name: string, attributes: SpanAttributes): OpenSpan;
  within<Result>(name: string, run: () => Promise<Result>): Promise<Result>;
}

const NO_SPAN: OpenSpan = { set() {}, end() {} };

/** For a runtime without custom spans, and for tests. */
export const NO_TRACE: Trace = { open: () => NO_SPAN, within: (_, run) => run() };

/**
 * The runtime's tracing, or none where it has none: the API came in steps, in June, September and October 2026, and
 * a self-hosted workerd may be older than any of them.
 *
 * @param runtime read from the namespace: a missing name in an import list would keep the whole worker from loading.
 */
export function runtimeTrace({ tracing }: Partial<Pick<typeof workers, 'tracing'>> = workers): Trace {
  if (typeof tracing?.enterSpan !== 'function' || typeof tracing.startSpan !== 'function') {
    return NO_TRACE;
  }
  // Where nobody listens, spans would still take a fifth of a millisecond of each request.
  const isTraced = (): boolean => tracing.getActiveSpan?.()?.isTraced !== false;
  return {
    open(name, attributes) {
      if (!isTraced()) {
        return NO_SPAN;
      }
      const span = tracing.startSpan(name).setAttributes(attributes);
      return {
        set: (more) => void span.setAttributes(more),
        end(errorType) {
          if (errorType !== undefined) {
            span.setAttribute('error.type', errorType).setStatus({ code: 'error', message: errorType });
          }
          span.end();
        },
      };
    },
    within: (name, run) => (isTraced() ? tracing.enterSpan(name, run) : run()),
  };
}
