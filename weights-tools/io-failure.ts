/** Input or output that the system refused, with the path that its own message may lack. */
export class IoFailure extends Error {
  constructor(path: string, cause: unknown) {
    super(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'IoFailure';
  }
}

/** Runs an operation on an open file; what the system refuses names the file. */
export async function namingPath<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const isSystem = error instanceof Error && 'syscall' in error && !('path' in error);
    throw isSystem ? new IoFailure(path, error) : error;
  }
}
