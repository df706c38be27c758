import { readdirSync, readFileSync } from 'node:fs';

/** Resident memory of the workerd processes that this one started, in megabytes; Linux. */
export function workerdRssMb(): number {
  let pages = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = readStat(pid);
    if (stat !== null && stat.command === 'workerd' && stat.parent === process.pid) {
      pages += stat.residentPages;
    }
  }
  return Math.round((pages * 4096) / 1e6);
}

/** proc(5): `pid (command) state ppid …`, the resident set is the 24th field. */
function readStat(pid: string): { command: string; parent: number; residentPages: number } | null {
  try {
    const [, command = '', rest = ''] = /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    const fields = rest.split(' ');
    return { command, parent: Number(fields[1]), residentPages: Number(fields[21]) };
  } catch {
    // The process has ended meanwhile.
    return null;
  }
}
