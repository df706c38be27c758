import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { serveRepositoryFile } from './test/support/serve-repository-file.ts';
import { serveStalls } from './test/support/serve-stalls.ts';

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    projects: [
      {
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/worker/**'],
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            // workerd has no file system: fixtures and artifacts reach the tests through this binding.
            miniflare: {
              serviceBindings: { FILES: serveRepositoryFile, STALLS: serveStalls },
              kvNamespaces: ['KEY_RECORDS'],
              images: { binding: 'IMAGES' },
              // Tests run jobs step by step themselves; test/e2e has the real Workflows.
              workflows: {
                JOBS: { name: 'idle-jobs', className: 'Idle', scriptName: 'idle' },
                DELIVERIES: { name: 'idle-deliveries', className: 'Idle', scriptName: 'idle' },
              },
              workers: [
                {
                  name: 'idle',
                  modules: true,
                  compatibilityDate: '2026-11-09',
                  script: `import { WorkflowEntrypoint } from 'cloudflare:workers';
                    export class Idle extends WorkflowEntrypoint { async run(_, step) { await step.sleep('idle', '1 day'); } }
                    export default { fetch: () => new Response() };`,
                },
              ],
            },
          }),
        ],
        test: {
          name: 'workerd',
          // ONNX Runtime's 14 MB module is imported once, not once per file; no test leaves state that another reads.
          isolate: false,
          include: ['test/worker/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
