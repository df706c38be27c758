declare namespace Cloudflare {
  interface Env {
    /** The repository's files, served by vitest.config.ts. */
    FILES: Fetcher;
  }
}
