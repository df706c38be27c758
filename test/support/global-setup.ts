import type { TestProject } from 'vitest/node';
import { buildArtifacts, type Artifacts } from './build-artifacts.ts';

declare module 'vitest' {
  interface ProvidedContext {
    artifacts: Artifacts;
  }
}

/** Builds the shared artifacts once, before any suite of either project. */
export async function setup(project: TestProject): Promise<void> {
  project.provide('artifacts', await buildArtifacts());
}
