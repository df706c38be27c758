import { readFile } from 'node:fs/promises';
import type { createPatchKernel } from '../../src/core/embed/patch-kernel.ts';

type KernelModule = Parameters<typeof createPatchKernel>[0];

// Node's own types leave this global out.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<KernelModule> };

/** The kernel as the repository holds it. */
export async function kernelModule(): Promise<KernelModule> {
  return WebAssembly.compile(await readFile(new URL('../../wasm/patch-kernel/kernel.wasm', import.meta.url)));
}
