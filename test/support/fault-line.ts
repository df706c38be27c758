import { WORDS } from '../../bench/faults/answer.ts';
import type { FaultServer } from '../../bench/faults/server.ts';
import { type BuiltWorker, startBuiltWorker, type WorkerModules } from '../../examples/built-worker.ts';
import { freePort } from '../../examples/processes.ts';

/** What an upstream may do to an answer, in words, and the fault server's name of it. */
export const FAULTS = [
  ['refuse', 'refuse'],
  ['nobody listens', 'closed-port'],
  ['5xx', 'http-500'],
  ['slow headers', 'slow-headers'],
  ['stall before the first token', 'stall-first'],
  ['stall', 'stall'],
  ['cut mid-token', 'cut'],
  ['clean cut', 'clean-cut'],
  ['reset', 'reset'],
  ['malformed JSON', 'malformed-json'],
  ['missing finish', 'missing-finish'],
  ['an error in-band', 'error-event'],
  ['an HTML page', 'page'],
] as const;
/** What it may do and still answer. */
export const WHOLE = ['ok', 'no-done', 'odd', 'slow-tokens'];
/** For those that fall silent; a busy machine may keep a good answer waiting. */
export const IMPATIENT = { first_byte_ms: 1_000, idle_ms: 1_000 };
export const FORMS = ['stream', 'whole'] as const;

/** The text of an answer that is whole. */
export function wordsOf(name: string): string {
  return name === 'slow-tokens' ? Array.from({ length: 20 }, (_, i) => `${i} `).join('') : WORDS.join('');
}

/**
 * The built worker before the fault server, with a model `FORM-NAME` for each fault and form. Each has an upstream of its
 * own, so that no circuit that one opens hides another.
 */
export async function startFaultLine(modules: WorkerModules, faults: FaultServer): Promise<BuiltWorker> {
  const closed = `http://127.0.0.1:${await freePort()}`;
  const names = [...FAULTS.map(([, name]) => name), ...WHOLE];
  const upstreams = names.flatMap((name) =>
    FORMS.map((form) => ({
      name: `${form}-${name}`,
      serves: `${form}-${name}`,
      model: `${form}/${name}`,
      url: name === 'closed-port' ? closed : faults.url,
      server: 'openai',
      wire: 'original',
      ...(WHOLE.includes(name) ? {} : IMPATIENT),
    })),
  );
  return startBuiltWorker({ modules, vars: { MODEL: 'stream-ok', UPSTREAMS: upstreams } });
}
