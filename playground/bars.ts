import { make } from './dom.ts';

/** A row of a chart: a name, a number, and a bar from `start` over `length` of the whole, both from 0 to 1. */
export interface BarRow {
  name: string;
  number: string;
  start: number;
  length: number;
  used?: boolean;
}

/** Rows as list items; the bar says nothing that name and number do not. */
export function showBars(list: HTMLElement, rows: readonly BarRow[]): void {
  list.replaceChildren(
    ...rows.map(({ name, number, start, length, used = false }) => {
      const bar = make('div', 'bar');
      bar.style.setProperty('--start', `${start * 100}%`);
      bar.style.setProperty('--length', `${length * 100}%`);
      const track = make('div', 'track', bar);
      track.setAttribute('aria-hidden', 'true');
      return make('li', used ? 'used' : '', make('span', '', name), make('span', 'number', number), track);
    }),
  );
}

export function inMs(ms: number): string {
  return ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

export function inBytes(bytes: number): string {
  if (bytes < 1000) {
    return `${bytes} B`;
  }
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
