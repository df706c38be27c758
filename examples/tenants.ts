/**
 * `npm run tenants -- …`: the operator's routes of a worker with AUTH = "tenants". VORA_URL says where the worker is,
 * VORA_ADMIN_KEY is the operator's key.
 */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';

const program = new Command('tenants').description('make tenants, rotate their keys, see their usage');

program
  .command('create <id>')
  .description('a new tenant; prints its first key, which is shown once')
  .option('--settings <file>', 'JSON as in docs/tenants.md; absent: only a name')
  .action(async (id: string, { settings }: { settings?: string }) => {
    await show('POST', '', { id, settings: await settingsOf(settings, id) });
  });

program
  .command('list')
  .description('all tenants by id, a page at a time')
  .option('--limit <count>')
  .option('--cursor <text>', '`next_cursor` of the page before')
  .action((page: Record<string, string>) => show('GET', `?${new URLSearchParams(page).toString()}`));

program
  .command('show <id>')
  .description('settings and keys')
  .action((id: string) => show('GET', `/${id}`));

program
  .command('update <id>')
  .description('replaces the settings')
  .requiredOption('--settings <file>')
  .action(async (id: string, { settings }: { settings: string }) => {
    await show('POST', `/${id}`, await settingsOf(settings, id));
  });

program
  .command('key <id>')
  .description('a new key')
  .requiredOption('--purpose <text>', 'what it is for; two of one purpose may be live')
  .requiredOption('--scopes <list>', 'chat, jobs, admin, with commas')
  .action(async (id: string, { purpose, scopes }: { purpose: string; scopes: string }) => {
    await show('POST', `/${id}/keys`, { purpose, scopes: scopes.split(',') });
  });

program
  .command('rotate <id> <key>')
  .description('a new key in place of the one with this ID')
  .option('--overlap <seconds>', 'how long the old one works on', '86400')
  .action(async (id: string, key: string, { overlap }: { overlap: string }) => {
    await show('POST', `/${id}/keys/${key}/rotate`, { overlap_seconds: Number(overlap) });
  });

program
  .command('revoke <id> <key>')
  .description('ends a key')
  .action((id: string, key: string) => show('DELETE', `/${id}/keys/${key}`));

program
  .command('delete <id>')
  .description('the tenant and all that is kept of it, its usage too; its uploads stay')
  .action((id: string) => show('DELETE', `/${id}`));

program
  .command('usage <id>')
  .description('CSV by day, model and server')
  .option('--from <day>')
  .option('--to <day>')
  .action(async (id: string, days: Record<string, string>) => {
    await show('GET', `/${id}/usage?${new URLSearchParams({ ...days, format: 'csv' }).toString()}`);
  });

await program.parseAsync();

async function settingsOf(file: string | undefined, id: string): Promise<unknown> {
  return file === undefined ? { name: id } : JSON.parse(await readFile(file, 'utf8'));
}

/** Calls the worker and prints what it answers; an error ends with code 1. */
async function show(method: string, path: string, body?: unknown): Promise<void> {
  const { VORA_URL: base, VORA_ADMIN_KEY: key } = process.env;
  if (base === undefined || key === undefined) {
    throw new Error('Set VORA_URL and VORA_ADMIN_KEY');
  }
  const response = await fetch(new URL(`/admin/tenants${path}`, base), {
    method,
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  (response.ok ? console.log : console.error)(isJson ? JSON.stringify(JSON.parse(text), null, 2) : text.trimEnd());
  process.exitCode = response.ok ? 0 : 1;
}
