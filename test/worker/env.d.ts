declare namespace Cloudflare {
  interface Env {
    /** The repository's files, served by vitest.config.ts. */
    FILES: Fetcher;
    /** A host that takes its time, as test/support/serve-stalls.ts says. */
    STALLS: Fetcher;
    /** Cloudflare Images as Miniflare emulates it. */
    IMAGES: ImagesBinding;
    /** A namespace for key records; not API_KEYS, which would open the deployed entry. */
    KEY_RECORDS: KVNamespace;
  }
}
