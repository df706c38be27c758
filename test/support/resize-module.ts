import { readFile } from 'node:fs/promises';
import type { createSimdPasses } from '../../src/core/image/simd-passes.ts';

type ResizeModule = Parameters<typeof createSimdPasses>[0];

// Node's own types leave this global out.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<ResizeModule> };

/** The kernel that resizes as the repository holds it. */
export async function resizeModule(): Promise<ResizeModule> {
  return WebAssembly.compile(await readFile(new URL('../../wasm/resize-kernel/kernel.wasm', import.meta.url)));
}
