const UNITS = new Map([
  ['', 1],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['KIB', 2 ** 10],
  ['MIB', 2 ** 20],
  ['GIB', 2 ** 30],
]);

/** `1GB`, `512 MiB`, `65536`; undefined for anything else. */
export function parseByteSize(text: string): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = UNITS.get((unit ?? '').toUpperCase());
  const bytes = Math.floor(Number(digits) * (factor ?? Number.NaN));
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** Three digits and a decimal unit, as disks count. */
export function formatByteSize(bytes: number): string {
  for (const [unit, factor] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const) {
    if (bytes >= factor) {
      const size = bytes / factor;
      return `${size.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0)} ${unit}`;
    }
  }
  return `${bytes} B`;
}
