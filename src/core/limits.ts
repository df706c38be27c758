/**
 * Every bound on a number that comes from outside: unit in the name, reason in one line.
 */

/** The safetensors crate's MAX_HEADER_SIZE; the largest header seen in public models is under 1 MB. */
export const SAFETENSORS_HEADER_MAX_BYTES = 100_000_000;
/** Rank cap of a tensor shape; real checkpoints stop at 5 (conv3d). */
export const TENSOR_RANK_MAX = 8;
/** Nesting of such JSON; serde_json's recursion limit, and real files stop at 6. */
export const JSON_DEPTH_MAX = 128;

/** Protobuf fields of an ONNX model that are looked at, its graph's parts and theirs; a 7B decoder has 20 000. */
export const ONNX_FIELDS_MAX = 250_000;

/** Blocks of a language model; Llama-3.1-405B has 126. */
export const MODEL_LAYERS_MAX = 1024;
/** Widest side of a weight but the vocabulary's; Llama-3.1-405B's MLP is 53 248 wide. */
export const MODEL_WIDTH_MAX = 262_144;
/** Token ids; the largest public vocabularies have 262 144. */
export const MODEL_VOCABULARY_MAX = 1_048_576;
/** Context in tokens; Qwen2.5-1M has 1 010 000. The RoPE tables have a row for each. */
export const MODEL_POSITIONS_MAX = 1_048_576;

/** One chat request at the worker: a few data-URL photos; half of an isolate's 128 MB. */
export const REQUEST_BODY_MAX_BYTES = 32 * 1024 * 1024;
/** One chat request at the endpoint: four 1024-patch embeddings at 7B are 39 MB of base64. */
export const ENDPOINT_BODY_MAX_BYTES = 128 * 1024 * 1024;
/** Commas and opening brackets of a request body: 128 MB of `{},` would become 5 GB of objects in a minute. As many as the
 * longest text, should it be commas only; a request of full size has a few thousand. */
export const REQUEST_JSON_MARKS_MAX = 1_048_576;
/** One encoded image after base64 or download; phone photos are 2 to 12 MB. */
export const IMAGE_MAX_BYTES = 20 * 1024 * 1024;
/** Size of a PNG or a WebP, by its header. They come row by row at their full size: a second or two of CPU. */
export const PNG_MAX_PIXELS = 50_331_648;
export const WEBP_MAX_PIXELS = 50_331_648;
/** Size of a JPEG, which comes row by row: the largest phone sensors have 200 MP, under a second of CPU at a quarter. */
export const JPEG_MAX_PIXELS = 201_326_592;
/** A larger JPEG is decoded at a half, a quarter or an eighth, by libjpeg's scaling; see jpeg-scale.ts. */
export const JPEG_EXACT_MAX_PIXELS = 16_777_216;
/** What a decoder may hold of a picture that does not come row by row: a JPEG of several scans 2 bytes a sample, an interlaced
 * PNG 3 a pixel, a lossless WebP 4. Half of an isolate. */
export const DECODER_HEAP_MAX_BYTES = 64 * 1024 * 1024;
/** Images that one isolate decodes at once: each may take DECODER_HEAP_MAX_BYTES, and an isolate has 128 MB. */
export const IMAGE_DECODES_MAX = 1;
/** Longest edge in pixels; JPEG's own limit is 65 535, and such strips hold nothing a model can read. */
export const IMAGE_MAX_EDGE_PX = 16_384;
/** VoRA's smart_resize refuses more (data_module/vision_transform.py). */
export const IMAGE_MAX_ASPECT_RATIO = 200;
/** Size of a GIF's first picture and its canvas: one byte a pixel is held. */
export const GIF_MAX_PIXELS = 16_777_216;
/** Size of an AVIF, which is decoded whole: up to 22 bytes a pixel, a second of CPU a megapixel or two; 1920 × 1080 fits. */
export const AVIF_MAX_PIXELS = 2_097_152;
/** What the AVIF decoder may hold, file included: less than others, for the whole picture stands beside it as RGBA. */
export const AVIF_HEAP_MAX_BYTES = 48 * 1024 * 1024;
/** Longest edge of what Cloudflare Images makes of a picture: several times what a model sees, and a PNG that is decoded at ease. */
export const CONVERTED_EDGE_MAX_PX = 2048;
/** Frames in an AVIF's picture: a still one has one, a layered one up to four (AVIF, 4.2), and each costs a whole decode. */
export const AVIF_FRAMES_MAX = 4;
/** Scans of a progressive JPEG: each walks the whole picture, for a few bytes of file; encoders write about ten. */
export const JPEG_SCANS_MAX = 100;
/** Patches of an image in its own proportions: the bound of VoRA's smart_resize (data_module/vision_transform.py), which a
 * model's settings may lower. A square one has as many as its model's size says. */
export const IMAGE_PATCHES_MAX = 4000;
/** Embeddings of one image while they are made: as bf16, IMAGE_PATCHES_MAX at 7B size; ONNX Runtime has f32 too. */
export const IMAGE_EMBEDDINGS_MAX_BYTES = 32 * 1024 * 1024;
/** The same of all images of a request, those before as bf16: eight squares of 1024 patches at 7B size. */
export const EMBEDDINGS_MAX_BYTES = 64 * 1024 * 1024;
/** Bodies, files from elsewhere, and what is made of both, that an isolate holds at once: beside 7B weights and a decoder. */
export const INCOMING_MAX_BYTES = 16 * 1024 * 1024;
export const DOWNLOADS_MAX_BYTES = 12 * 1024 * 1024;
export const MADE_MAX_BYTES = 24 * 1024 * 1024;
/** How long a request waits for that room; clients give up after 30 s and more. */
export const ROOM_WAIT_MAX_MS = 20_000;
/** Images in one request; each is hundreds of prompt tokens. */
export const IMAGES_PER_REQUEST_MAX = 8;
/** Frames of one video: as many as VoRA's reference samples (data_module/processor.py), and as a request has images. */
export const VIDEO_FRAMES_MAX = IMAGES_PER_REQUEST_MAX;

/** A form with one image: its file, and the few fields beside it. */
export const IMAGE_FORM_MAX_BYTES = IMAGE_MAX_BYTES + 64 * 1024;
/** Fields of a form; an image task has six. */
export const MULTIPART_PARTS_MAX = 16;
/** Header of one form part; browsers write under 300 bytes. */
export const MULTIPART_HEADER_MAX_BYTES = 4096;

/** Messages in one chat; the longest real conversations hold a few hundred. */
export const MESSAGES_MAX = 1024;
/** Content parts in one message; text pieces around at most IMAGES_PER_REQUEST_MAX images. */
export const PARTS_PER_MESSAGE_MAX = 64;
/** Stop strings and their length; OpenAI's own limit is four. */
export const STOP_STRINGS_MAX = 4;
export const STOP_STRING_MAX_CHARS = 256;
/** Choices of one request; OpenAI's own limit. */
export const CHOICES_MAX = 128;
/** Alternatives listed beside each token; OpenAI's own limit. */
export const TOP_LOGPROBS_MAX = 20;
/** Tokens with a bias of their own; each is added at every step. */
export const LOGIT_BIAS_ENTRIES_MAX = 1024;
/** Tools of one request; OpenAI's own limit. */
export const TOOLS_MAX = 128;
/** Tool calls of one assistant message; no more tools than TOOLS_MAX are there to be called. */
export const TOOL_CALLS_MAX = 128;
/** Names of functions and of response formats; OpenAI's own limit. */
export const FUNCTION_NAME_MAX_CHARS = 64;
/** Id of a tool call; OpenAI's have 29 characters, Mistral's 9. */
export const TOOL_CALL_ID_MAX_CHARS = 256;
/** Descriptions of a tool or format; OpenAI's own limit is 1024, and catalogues of tools exceed it. */
export const DESCRIPTION_MAX_CHARS = 8192;
/** One JSON schema as text; OpenAI takes 120 000 characters of names and values. */
export const SCHEMA_MAX_CHARS = 131_072;
/** All schemas of one request as text; they are part of the prompt. */
export const SCHEMAS_TOTAL_MAX_CHARS = 524_288;
/** Brackets within brackets of a JSON schema: OpenAI takes ten levels of objects, three brackets each, and room. */
export const SCHEMA_DEPTH_MAX = 48;
/** Requested answer length in tokens; the model's context is the real bound and is checked later. */
export const ANSWER_TOKENS_MAX = 1_048_576;
/** Metadata of a response object, repeated in it: OpenAI's own limits. */
export const METADATA_PAIRS_MAX = 16;
export const METADATA_KEY_MAX_CHARS = 64;
export const METADATA_VALUE_MAX_CHARS = 512;
/** Owners whose names for images an isolate has at hand, some hundred bytes each. */
export const OWNERS_HELD_MAX = 1000;
/** How long an owner's images are remembered between requests: a chat about one is rarely longer. */
export const IMAGE_REUSE_SECONDS = 3600;
/** Megabits a second from a worker to a model server, unless told; and the most that can be told. */
export const UPLINK_MBPS = 1000;
export const UPLINK_MAX_MBPS = 1_000_000;
/** Names of images and salts of caches, from a worker: hashes in hex take 64. */
export const IMAGE_UUID_MAX_CHARS = 128;
/** Model names are paths or short tags. */
export const MODEL_NAME_MAX_CHARS = 256;
/** One SSE event from upstream; a token's chunk is under 1 KB, an error object a few KB. */
export const SSE_EVENT_MAX_CHARS = 1024 * 1024;

/** Records in a torch.save archive of one tensor; torch 2.13 writes seven. */
export const TORCH_ARCHIVE_RECORDS_MAX = 16;
/** Pickle of one tensor: torch 2.13 writes under 200 bytes. */
export const TORCH_PICKLE_MAX_BYTES = 1024;
/** One dimension of a wire tensor; its data must be present in full as well, so this only bounds the arithmetic. */
export const TORCH_DIMENSION_MAX = 16_777_216;

/** Text of all messages of one request; tokenizing it takes one to six seconds, and no context holds more. */
export const PROMPT_TEXT_MAX_CHARS = 1_048_576;
/** Files of an artifact folder that are hashed when it is opened; a tokenizer is 7 MB, and 64 MB hash in 0.1 s. */
export const ARTIFACT_HASH_MAX_BYTES = 64 * 1024 * 1024;

/** Whole download of one image URL, redirects included; a slow host must not hold a request. */
export const IMAGE_FETCH_TIMEOUT_MS = 10_000;
/** A picture's URL that stands alone; browsers and servers take 8 KB at most. */
export const PICTURE_URL_MAX_BYTES = 8192;
/** Hops of an image URL; a CDN needs one or two. */
export const IMAGE_REDIRECTS_MAX = 3;
/** Manifest of an edge bundle; real ones are a few KB. */
export const BUNDLE_MANIFEST_MAX_BYTES = 1024 * 1024;
/** Name of a bundle that is not the deployment's own; a prefix in R2 or a folder of assets. */
export const BUNDLE_NAME_MAX_CHARS = 64;
/** Bundles of other models that an isolate holds; each has its weights in memory, 25 MB at 7B size, beside a photo. */
export const NAMED_BUNDLES_HELD_MAX = 1;
/** Patch embedding of an edge bundle: 25 MB at 7B size; twice that no longer fits an isolate beside a photo. */
export const BUNDLE_GRAPH_MAX_BYTES = 48 * 1024 * 1024;
/** Error body read from upstream; the rest is dropped. */
export const UPSTREAM_ERROR_MAX_BYTES = 64 * 1024;
/** Upstream's own words in our error message. */
export const UPSTREAM_MESSAGE_MAX_CHARS = 500;
/** A finish reason that is none of ours, in our error message. */
export const FINISH_WORD_MAX_CHARS = 32;
/** An answer collected for a client that does not stream; 1 M tokens are about 4 MB. */
export const ANSWER_MAX_CHARS = 8 * 1024 * 1024;
/** Longest silence on a client's stream. A client that has left is found out by writing to it: once where workerd holds its
 * connection, twice behind one proxy, and upstream has to stop within a second. */
export const PING_INTERVAL_MS = 400;
/** How long a stream waits for the first token before it answers 200 and reports failures in-band. Until then workerd
 * does not notice a client that closes its connection politely, and upstream has to stop within a second. */
export const STREAM_GRACE_MS = 600;
/** Past it proxies and clients give up on a response without headers. */
export const STREAM_GRACE_MAX_MS = 30_000;
/** Default and longest wait for an answer's first piece, connection included; long queues and prefills take under a minute. */
export const UPSTREAM_FIRST_BYTE_TIMEOUT_MS = 120_000;
export const UPSTREAM_FIRST_BYTE_TIMEOUT_MAX_MS = 600_000;
/** Default and longest silence between two pieces of an answer; beside another's long prefill they are seconds apart. */
export const UPSTREAM_IDLE_TIMEOUT_MS = 60_000;
export const UPSTREAM_IDLE_TIMEOUT_MAX_MS = 600_000;
/** Shortest of both, and of a hedge's delay: below it a healthy server on another continent would count as silent. */
export const UPSTREAM_TIMEOUT_MIN_MS = 100;

/** Upstreams of one worker; each has its circuit in every isolate. */
export const UPSTREAMS_MAX = 64;
/** Models that are tried after the one asked for. */
export const FALLBACKS_MAX = 8;
/** Share of an upstream beside others; past a thousand to one, the other sees no traffic at all. */
export const UPSTREAM_WEIGHT_MAX = 1000;
/** Regions that an upstream is near to; Cloudflare has some 330 data centres. */
export const UPSTREAM_REGIONS_MAX = 400;
/** Calls that one request makes at most, but for polls of an upstream that is starting. */
export const UPSTREAM_ATTEMPTS_MAX = 6;
/** Calls of an upstream after it failed this very request. */
export const UPSTREAM_RETRIES_MAX = 2;
/** Full jitter waits a random part of it, doubled with each retry: long enough for a restart behind a balancer. */
export const RETRY_BACKOFF_MS = 200;
/** How long a request waits for upstreams that rest, where none of them starts from zero. */
export const RETRY_PATIENCE_MS = 5_000;
/** Retries and hedges that an isolate may make in a burst, and how many each request earns: a fifth more load at most. */
export const RETRY_BUDGET_MAX = 10;
export const RETRY_BUDGET_PER_REQUEST = 0.2;
/** Outcomes that a circuit remembers, and how many of them may be failures. */
export const CIRCUIT_WINDOW = 10;
export const CIRCUIT_FAILURES = 3;
/** How long an upstream is left alone after it failed, doubled each time; a process restarts in ten seconds. */
export const CIRCUIT_OPEN_MS = 10_000;
export const CIRCUIT_OPEN_MAX_MS = 120_000;
/** An upstream that failed may be asked earlier when nothing else is left, but not more often. */
export const CIRCUIT_LAST_RESORT_MS = 1_000;
/** How often a request that waits for somebody else's probe looks again. */
export const PROBE_POLL_MS = 250;
/** A probe of which nothing was heard for so long is taken for lost: a runtime may end a request without a word. Longer
 * than the first piece of an answer may take by default. */
export const PROBE_LOST_MS = 180_000;
/** `Retry-After` as we heed it: a zero would have us ask in a loop, an hour is longer than anybody waits. */
export const RETRY_AFTER_DEFAULT_MS = 1_000;
export const RETRY_AFTER_MIN_MS = 500;
export const RETRY_AFTER_MAX_MS = 300_000;
/** Longest start of an upstream that scales from zero; a 7B model is pulled and loaded in about five minutes. */
export const COLD_START_MAX_MS = 900_000;
/** How long a client that does not stream waits for an upstream to start, and the most it may say in a header. */
export const WHOLE_ANSWER_PATIENCE_MS = 60_000;
export const WHOLE_ANSWER_PATIENCE_MAX_MS = 600_000;
/** How long a self-test's proof holds, and how soon one that proved nothing is repeated. */
export const SELF_TEST_PROOF_MS = 3_600_000;
export const SELF_TEST_RETRY_MS = 60_000;
/** Length of a self-test's answers; the first word differs, or the first few probabilities. */
export const SELF_TEST_ANSWER_TOKENS = 16;
/** Longest wait for one answer of a self-test; the model may have to start first, and then it is not proven. */
export const SELF_TEST_TIMEOUT_MS = 30_000;

/** Places in the code that a log line names; the cause's first few say where it came from. */
export const LOG_FRAMES_MAX = 4;
/** How long a readiness check waits for the model server; probes give up after ten seconds. */
export const READY_TIMEOUT_MS = 5_000;
/** How long a readiness report is reused: anybody may ask, and each check is a request to the model server. */
export const READY_CACHE_MS = 2_000;
/** Keys in the API_KEY_SHA256 secret, which each request is compared with; more belong into KV. */
export const API_KEYS_MAX = 64;
/** One API key; `npm run key` makes 57 characters. */
export const API_KEY_MAX_CHARS = 256;
/** How long KV may answer from its cache, and a deleted key work on: KV's own minimum. */
export const API_KEY_CACHE_SECONDS = 30;

/** What the worker's kernel may lose of an embedding with weights of 16 bits; the bf16 that travels loses up to 4e-3. */
export const PATCH_EMBED_ERROR_MAX = 1e-3;

/** Requests that wait at the endpoint; each holds its embeddings, 15 MB for a 1024-patch image at 7B. */
export const QUEUE_MAX_SEQUENCES = 16;
/** Embeddings that the endpoint keeps for later turns: 35 images of 1024 patches at 7B, whose rows take 15 MB each. */
export const IMAGE_STORE_MAX_BYTES = 512 * 1024 * 1024;
/** Keys and values that the endpoint keeps for later turns, unless told: those of 9 000 positions at 7B, 115 kB each. */
export const PREFIX_CACHE_DEFAULT_BYTES = 1024 * 1024 * 1024;
/** The most that may be asked for. */
export const PREFIX_CACHE_MAX_BYTES = 1024 * 1024 * 1024 * 1024;
/** Requests whose body or images the endpoint is reading; each may hold ENDPOINT_BODY_MAX_BYTES and a decoded image. */
export const READING_MAX_REQUESTS = 16;
/** Tokens of images side by side, which attend to each other: eight of 1024. Their mask takes 4 bytes a pair, 268 MB. */
export const IMAGE_RUN_MAX_TOKENS = 8192;

/** A regular expression in a schema, in characters; each of them may become states. */
export const PATTERN_MAX_CHARS = 1024;
/** States of such an expression before it is made deterministic; a counted repetition has some for each count. */
export const PATTERN_STATES_MAX = 4096;
/** Steps of making all automata of one schema: a quarter of a second; the format `email`, the largest, takes 7 % of them. */
export const SCHEMA_WORK_MAX = 8_388_608;
/** Digits of a number that a schema bounds: decimals of so many digits are doubles of their own, and safe integers. */
export const SCHEMA_NUMBER_MAX_DIGITS = 15;
/** `multipleOf` in a schema: a state for each remainder and digit. */
export const SCHEMA_MULTIPLE_OF_MAX = 1000;
/** Properties of all objects of one schema together; OpenAI's own limit. */
export const SCHEMA_PROPERTIES_MAX = 5000;
/** Values of all `enum`s of one schema together; OpenAI's own limit. */
export const SCHEMA_ENUM_VALUES_MAX = 1000;
/** Schemas within a schema, `$defs` included: as many as it has properties, and their alternatives. */
export const SCHEMA_PARTS_MAX = 20_000;
/** Bounds of a text's length or a list's; beyond it no answer reaches. */
export const SCHEMA_COUNT_MAX = 1_048_576;
/** Ways in which a text is read at once. An object may pass over as many properties that may be left out; each costs a
 * microsecond or two at every byte. */
export const GRAMMAR_PARALLEL_MAX = 2048;
/** Ways kept with all configurations of one grammar: about 30 MB; past it what was computed is computed again. */
export const GRAMMAR_KEPT_WAYS_MAX = 262_144;
/** Token masks kept for one grammar; 19 KB each at 152k tokens. */
export const GRAMMAR_MASKS_MAX = 512;
/** Grammars kept for requests that ask for the same form again. */
export const GRAMMARS_KEPT_MAX = 8;

/** A receiver's time to answer a webhook; Standard Webhooks asks for 15 to 30 seconds. */
export const WEBHOOK_TIMEOUT_MS = 15_000;
/** A receiver may put a retry off by so much; more would outlive the message. */
export const WEBHOOK_RETRY_AFTER_MAX_SECONDS = 86_400;
/** Share of a retry's wait that is added at random, so that messages which failed together come back apart. */
export const WEBHOOK_JITTER = 0.1;
/** Body of a webhook; Standard Webhooks advises 20 kB. A larger full payload leaves thin. */
export const WEBHOOK_BODY_MAX_BYTES = 20_000;
/** URL of a webhook; browsers and proxies stop at 2 to 8 kB. */
export const WEBHOOK_URL_MAX_CHARS = 2048;
/** How long a rotated secret still signs beside the new one. */
export const WEBHOOK_SECRET_OVERLAP_SECONDS = 86_400;

/** Tenant ids stand in storage keys and in R2 paths. */
export const TENANT_ID_MAX_CHARS = 40;
/** Name of a tenant, of a key or of a receiver, for people. */
export const TENANT_NAME_MAX_CHARS = 128;
/** Models of one tenant; its settings travel in each key's record. */
export const TENANT_MODELS_MAX = 64;
/** Quotas of one tenant: two things counted over four windows. */
export const QUOTAS_MAX = 8;
/** Counts stay exact integers. */
export const QUOTA_LIMIT_MAX = Number.MAX_SAFE_INTEGER;
/** Live keys of one purpose: the one in use and the one that replaces it. */
export const LIVE_KEYS_MAX = 2;
/** Purposes of a tenant's keys; one for each service that calls. */
export const KEY_PURPOSES_MAX = 32;
/** How long a rotated key works on by default, and at most. */
export const KEY_OVERLAP_SECONDS = 86_400;
export const KEY_OVERLAP_MAX_SECONDS = 30 * 86_400;
/** How long KV may answer from its cache about a tenant's key: KV's own minimum. */
export const TENANT_KEY_CACHE_SECONDS = 30;
/** How long a request may hold a reservation; after it, what it reserved counts as used. Longer than any answer takes. */
export const RESERVATION_SECONDS = 3600;
/** Prompt tokens that one image may become: its patches, and marks around them. */
export const IMAGE_TOKENS_MAX = IMAGE_PATCHES_MAX + 100;
/** Prompt tokens of a chat template: per message, and its own words once. */
export const TEMPLATE_TOKENS_PER_MESSAGE = 32;
export const TEMPLATE_TOKENS = 256;
/** Days of one usage report. */
export const USAGE_DAYS_MAX = 400;
/** How long a job's payload, result and log are kept: by default, and at most. */
export const RETENTION_SECONDS = 86_400;
export const RETENTION_MAX_SECONDS = 30 * 86_400;
/** Between two tries to publish keys or to start work that a tenant's object could not hand over. */
export const OUTBOX_RETRY_MS = 5_000;
/** Bytes of a request to the admin API; settings are a few KB. */
export const ADMIN_BODY_MAX_BYTES = 64 * 1024;
/** Period of the TENANT_GATE binding in wrangler.toml; a client that was turned away waits for it. */
export const RATE_GATE_PERIOD_SECONDS = 10;

/** Images of one call: a job each. */
export const JOBS_PER_CALL_MAX = 1000;
/** A client's own name for a job. */
export const JOB_REF_MAX_CHARS = 128;
/** Key of an object in the bucket of uploads; R2's own limit is 1024 bytes, the tenant's folder included. */
export const UPLOAD_KEY_MAX_CHARS = 900;
/** Idempotency keys; a UUID has 36 characters. */
export const IDEMPOTENCY_KEY_MAX_CHARS = 255;
/** How long an idempotency key is remembered. */
export const IDEMPOTENCY_SECONDS = 86_400;
/** Jobs on one page of a list: by default, and at most. */
export const JOBS_PAGE = 50;
export const JOBS_PAGE_MAX = 200;
/** Tenants on one page of the operator's list: by default, and at most, as KV lists keys. */
export const TENANTS_PAGE = 100;
export const TENANTS_PAGE_MAX = 1000;
/** KV's cursor, passed on as it is. */
export const TENANTS_CURSOR_MAX_CHARS = 1024;
/** Tries of a job's question to the model beyond the first, and the wait before them, doubled each time. Each try goes
 * through all upstreams; together they outlast a server's restart. */
export const JOB_RETRIES = 5;
export const JOB_RETRY_DELAY_SECONDS = 5;
/** Longest time of one try: as long as a client that does not stream waits for an answer. */
export const JOB_TRY_TIMEOUT_SECONDS = 600;
/** How long a job may hold its reservation; it waits for its turn too. */
export const JOB_LEASE_SECONDS = 7 * 86_400;
/** Jobs of one tenant whose Workflows are under way at once, by default and at most; the others wait in the tenant's object.
 * More than model servers take would be refused there, and use up their tries. */
export const JOBS_AT_ONCE = 8;
export const JOBS_AT_ONCE_MAX = 1000;
/** Workflow instances that are created by one call; the platform's limit. */
export const WORKFLOW_BATCH_MAX = 100;
/** How long work may be silent before it is looked after; doubled each time, up to the second number. */
export const WORK_WATCH_SECONDS = 60;
export const WORK_WATCH_MAX_SECONDS = 3600;
/** Requests to R2 at once: Workers keep six connections open. */
export const STORE_PARALLEL = 6;
/** Receivers of one tenant. */
export const WEBHOOKS_MAX = 16;
/** Rows of the delivery log on one page. */
export const DELIVERIES_PAGE_MAX = 200;
/** Expired jobs that one alarm deletes; the next one goes on. */
export const EXPIRED_JOBS_PER_ALARM = 300;
/** An answer under an idempotency key that nobody ended: its worker is gone. Longer than any answer takes. */
export const ANSWER_LEASE_SECONDS = 900;
/** Largest answer that is kept for a replay; a larger one is not repeated. */
export const REPLAY_MAX_BYTES = 8 * 1024 * 1024;
/** Rules of a tenant's uploads. */
export const UPLOAD_RULES_MAX = 16;
/** Longest delay of a queue's message; the platform's limit is twelve hours. */
export const QUEUE_DELAY_MAX_SECONDS = 43_200;
/** How often a request looks whether the same one, which is being answered, is done. */
export const COALESCE_POLL_MS = 100;
/** How long it waits for it, before it asks by itself. */
export const COALESCE_PATIENCE_MS = 60_000;
/** R2 deletes so many objects in one call. */
export const R2_DELETE_MAX = 1000;
