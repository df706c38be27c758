/** Chrome's DevTools protocol: an answer has the call's id, an event has none. */
interface InspectorMessage {
  id?: number;
  result?: unknown;
  error?: unknown;
  params?: { context?: { id: number } };
}

/** Sum over all memories that live. Array buffers' own count leaves them out. */
const SUM_MEMORIES = 'function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }';

/** A session with workerd's inspector about one isolate. */
export interface InspectorSession {
  call<Result>(method: string, params?: object): Promise<Result>;
  /** Bytes of all WebAssembly memories that live. To find them the engine collects garbage first. */
  memories(): Promise<number>;
  close(): void;
}

export async function openInspector(url: URL): Promise<InspectorSession> {
  const socket = new WebSocket(url);
  const waiting = new Map<number, (answer: InspectorMessage) => void>();
  let contextId = 0;
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as InspectorMessage;
    contextId = message.params?.context?.id ?? contextId;
    waiting.get(message.id ?? 0)?.(message);
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  let last = 0;
  async function call<Result>(method: string, params = {}): Promise<Result> {
    const id = (last += 1);
    const answered = new Promise<InspectorMessage>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answered;
    waiting.delete(id);
    if (error !== undefined) {
      throw new Error(`${method}: ${JSON.stringify(error)}`);
    }
    return result as Result;
  }
  async function memories(): Promise<number> {
    const prototype = await call<{ result: { objectId: string } }>('Runtime.evaluate', {
      expression: 'WebAssembly.Memory.prototype',
      contextId,
    });
    const found = await call<{ objects: { objectId: string } }>('Runtime.queryObjects', {
      prototypeObjectId: prototype.result.objectId,
    });
    const sum = await call<{ result: { value: number } }>('Runtime.callFunctionOn', {
      objectId: found.objects.objectId,
      functionDeclaration: SUM_MEMORIES,
      returnByValue: true,
    });
    return sum.result.value;
  }
  await call('Runtime.enable');
  return { call, memories, close: () => socket.close() };
}
