/** Prometheus' text exposition format 0.0.4: counters and histograms that write themselves. */

export type Labels = Record<string, string>;

export interface Metric {
  /** HELP, TYPE and one line for each series, with a line break at the end. */
  render(): string;
}

export interface Counter extends Metric {
  /** 0 makes no series. */
  add(labels: Labels, amount: number): void;
}

export interface Histogram extends Metric {
  observe(labels: Labels, value: number): void;
}

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function counter(name: string, help: string, type: 'counter' | 'gauge' = 'counter'): Counter {
  const series = new Map<string, number>();
  return {
    add(labels, amount) {
      if (amount !== 0) {
        const key = labelText(labels);
        series.set(key, (series.get(key) ?? 0) + amount);
      }
    },
    render: () => head(name, help, type) + [...series].map(([labels, value]) => line(name, labels, value)).join(''),
  };
}

/** @param bounds upper bounds of the buckets, ascending; the last bucket, `+Inf`, comes by itself. */
export function histogram(name: string, help: string, bounds: readonly number[]): Histogram {
  const series = new Map<string, { counts: number[]; sum: number; labels: Labels }>();
  return {
    observe(labels, value) {
      const key = labelText(labels);
      const entry = series.get(key) ?? { counts: Array<number>(bounds.length + 1).fill(0), sum: 0, labels };
      const bucket = bounds.findIndex((bound) => value <= bound);
      const at = bucket < 0 ? bounds.length : bucket;
      entry.counts[at] = (entry.counts[at] ?? 0) + 1;
      entry.sum += value;
      series.set(key, entry);
    },
    render() {
      const lines = [...series.values()].map(({ counts, sum, labels }) => {
        let total = 0;
        const buckets = counts.map((count, i) => {
          total += count;
          const le = i < bounds.length ? String(bounds[i]) : '+Inf';
          return line(`${name}_bucket`, labelText({ ...labels, le }), total);
        });
        const own = labelText(labels);
        return buckets.join('') + line(`${name}_sum`, own, sum) + line(`${name}_count`, own, total);
      });
      return head(name, help, 'histogram') + lines.join('');
    },
  };
}

function head(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels} ${value}\n`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
