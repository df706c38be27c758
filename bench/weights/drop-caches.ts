import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

let hasSaidSo = false;

/** So that what reads files next reads them from the disk: the kernel lets root empty its page cache. */
export async function dropCaches(): Promise<void> {
  await promisify(execFile)('sync');
  try {
    await writeFile('/proc/sys/vm/drop_caches', '1');
  } catch {
    if (!hasSaidSo) {
      console.log('the page cache cannot be emptied here: files may be read from memory');
    }
    hasSaidSo = true;
  }
}
