import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');

/** A Python with these modules: $PYTHON, python/.venv or python3; null, and the reason printed, where none has them. */
export async function findPython(modules: readonly string[]): Promise<string | null> {
  const venv = join(ROOT, 'python/.venv/bin/python');
  const candidates = [process.env['PYTHON'], existsSync(venv) ? venv : undefined, 'python3'];
  for (const candidate of candidates) {
    if (candidate !== undefined && (await imports(candidate, modules))) {
      return candidate;
    }
  }
  console.log(`skipped: no Python with ${modules.join(', ')} ($PYTHON, python/.venv, python3); see python/README.md`);
  return null;
}

async function imports(python: string, modules: readonly string[]): Promise<boolean> {
  return promisify(execFile)(python, ['-c', `import ${modules.join(', ')}`]).then(
    () => true,
    () => false,
  );
}
