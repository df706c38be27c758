import { parentPort, type Transferable, Worker } from 'node:worker_threads';
import { receiveFailure, sendFailure, type SentFailure } from './thread-failure.ts';

/** A thread that does one task after another. Tasks, results and notes are plain data. */
export interface Thread<Task, Result, Note = never> {
  /**
   * Only one at a time. A task that is told by `signal` to stop ends when it next looks.
   *
   * @throws what the task threw, or that the thread has ended
   */
  run(task: Task, options?: RunOptions<Note>): Promise<Result>;
  /** Only between tasks: the process does not survive the end of a thread in the middle of native code. */
  close(): Promise<void>;
}

export interface RunOptions<Note> {
  /** What of the task moves to the thread, where it need not be copied. */
  readonly transfer?: readonly Transferable[];
  readonly signal?: AbortSignal;
  /** Hears what the task says on its way. */
  readonly onNote?: (note: Note) => void;
}

/** What a thread gets to know of a task beside the task. */
export interface TaskContext<Note> {
  readonly signal: AbortSignal;
  readonly note: (note: Note) => void;
}

type Request<Task> = { readonly task: Task } | 'stop';
type Answer<Result, Note> = { readonly note: Note } | { readonly result: Result } | { readonly failure: SentFailure };

/** @param module a file that calls {@link answerTasks} @param data what it finds as `workerData` */
export function startThread<Task, Result, Note = never>(module: URL, data?: unknown): Thread<Task, Result, Note> {
  const worker = new Worker(module, { workerData: data });
  // Heard between tasks as well: a thread that is no more answers nothing.
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  worker.once('error', ended.reject);
  worker.once('exit', (code) => {
    ended.reject(new Error(`${module.pathname}: the thread ended with exit code ${code}`));
  });
  const post = (request: Request<Task>, transfer: readonly Transferable[] = []): void => {
    worker.postMessage(request, [...transfer]);
  };
  return {
    async run(task, { transfer, signal, onNote } = {}) {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      const onMessage = (answer: Answer<Result, Note>): void => {
        if ('note' in answer) {
          onNote?.(answer.note);
        } else if ('result' in answer) {
          resolve(answer.result);
        } else {
          reject(signal?.aborted === true ? signal.reason : receiveFailure(answer.failure));
        }
      };
      const onAbort = (): void => {
        post('stop');
      };
      worker.on('message', onMessage);
      signal?.addEventListener('abort', onAbort);
      try {
        post({ task }, transfer);
        return await Promise.race([promise, ended.promise]);
      } finally {
        worker.off('message', onMessage);
        signal?.removeEventListener('abort', onAbort);
      }
    },
    async close() {
      await worker.terminate();
    },
  };
}

/**
 * The thread's side: answers each task with what `work` gives.
 *
 * @param work takes what the one who started the thread gives to `run`
 * @param transferOf what of the result moves to who asked, where it need not be copied
 */
export function answerTasks<Result, Note = never>(
  work: (task: never, context: TaskContext<Note>) => Promise<Result> | Result,
  transferOf: (result: Result) => readonly Transferable[] = () => [],
): void {
  let stop = new AbortController();
  const post = (answer: Answer<Result, Note>, transfer: readonly Transferable[] = []): void => {
    parentPort?.postMessage(answer, [...transfer]);
  };
  const answer = async (task: never): Promise<void> => {
    stop = new AbortController();
    try {
      const result = await work(task, { signal: stop.signal, note: (note) => post({ note }) });
      post({ result }, transferOf(result));
    } catch (error) {
      post({ failure: sendFailure(error) });
    }
  };
  parentPort?.on('message', (request: Request<never>) => {
    if (request === 'stop') {
      stop.abort();
    } else {
      void answer(request.task);
    }
  });
}
