declare namespace Cloudflare {
  interface Env {
    /** The repository's files, served by vitest.config.ts. */
    FILES: Fetcher;
    /** A namespace for key records; not API_KEYS, which would open the deployed entry. */
    KEY_RECORDS: KVNamespace;
  }
}
