import type { TestProject } from 'vitest/node';
import { buildPlayground } from '../../playground/build.ts';
import { buildArtifacts, type Artifacts } from './build-artifacts.ts';

declare module 'vitest' {
  interface ProvidedContext {
    artifacts: Artifacts;
  }
}

/** Builds the shared artifacts and the worker's playground once, before any suite of either project. */
export async function setup(project: TestProject): Promise<void> {
  await buildPlayground();
  project.provide('artifacts', await buildArtifacts());
}
