import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
/** What docs/tenants.md has its readers make, as Wrangler calls each. */
const BINDINGS = [
  ['TENANTS (TenantObject)', 'Durable Object'],
  ['JOBS (JobWorkflow)', 'Workflow'],
  ['DELIVERIES (DeliveryWorkflow)', 'Workflow'],
  ['TENANT_KEYS', 'KV Namespace'],
  ['TENANT_DATA (vora-tenant-data)', 'R2 Bucket'],
  ['UPLOADS (vora-uploads)', 'R2 Bucket'],
  ['TENANT_GATE (200 requests/10s)', 'Rate Limit'],
  ['ASSETS', 'Assets'],
  // A value from the command line is not shown.
  ['AUTH ("(hidden)")', 'Environment Variable'],
];

it('a deployment with tenants is ready to be uploaded, without a warning', { timeout: 120_000 }, async () => {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [WRANGLER, 'deploy', '--dry-run', '--var', 'AUTH:tenants'],
    { cwd: ROOT, env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1' } },
  );
  expect(stderr).toBe('');
  expect(stdout).not.toMatch(/warning|error|deprecated/i);
  const listed = [...stdout.matchAll(/^env\.(.+?) {2,}(\S.*?) *$/gm)].map(([, name, kind]) => [name, kind]);
  expect(listed).toEqual(expect.arrayContaining(BINDINGS));
  expect(stdout).toContain('--dry-run: exiting now.');
});
