import { env, InferenceSession } from 'onnxruntime-web/wasm';

/**
 * ONNX Runtime Web in workerd, the one place that knows how.
 *
 * Workers may not compile WebAssembly from bytes; a module must be imported, and it arrives compiled. ONNX Runtime takes
 * bytes or a URL only: its Emscripten glue does have an `instantiateWasm` hook for a ready module, but wasm-factory.ts
 * builds the glue's options itself and passes none of ours on. What is left is the call at the end of that road,
 * `WebAssembly.instantiate(bytes, imports)`. So the runtime gets PLACEHOLDER as its bytes, and while the first session
 * is made, exactly the call that carries PLACEHOLDER is answered with an instance of the imported module. Every other
 * call passes through, and afterwards the original function is back.
 *
 * `wasmBinary` also makes the runtime use the glue inside its own bundle: nothing is fetched, and `import.meta.url`,
 * which means nothing in a Worker, is not read. Checked with onnxruntime-web 1.30.
 */
const PLACEHOLDER = new TextEncoder().encode('the imported module of onnxruntime-web');

let ready: Promise<unknown> = Promise.resolve();

/** Makes a single-threaded CPU session (Workers have no threads). The model bytes are copied into the runtime's heap. */
export async function createOrtSession(model: Uint8Array): Promise<InferenceSession> {
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = PLACEHOLDER;
  const session = ready.then(async () => {
    // Here and not at the top: a worker that embeds with its own kernel compiles none of it.
    const { default: module } = await import('onnxruntime-web/ort-wasm-simd-threaded.wasm');
    return withImportedModule(module, () => InferenceSession.create(model, { executionProviders: ['wasm'] }));
  });
  ready = session.catch(() => undefined);
  return session;
}

async function withImportedModule<Result>(module: WebAssembly.Module, run: () => Promise<Result>): Promise<Result> {
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = replaced;
  try {
    return await run();
  } finally {
    WebAssembly.instantiate = instantiate;
  }

  async function replaced(source: unknown, imports?: WebAssembly.Imports): Promise<never> {
    const result = isPlaceholder(source)
      ? { module, instance: await instantiate(module, imports) }
      : instantiate(source as WebAssembly.Module, imports);
    return result as never;
  }
}

function isPlaceholder(source: unknown): boolean {
  return (
    source instanceof Uint8Array &&
    source.length === PLACEHOLDER.length &&
    source.every((byte, i) => byte === PLACEHOLDER[i])
  );
}
