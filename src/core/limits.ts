/**
 * Every bound on a number that comes from outside: unit in the name, reason in one line.
 */

/** The safetensors crate's MAX_HEADER_SIZE; the largest header seen in public models is under 1 MB. */
export const SAFETENSORS_HEADER_MAX_BYTES = 100_000_000;
/** Rank cap of a tensor shape; real checkpoints stop at 5 (conv3d). */
export const TENSOR_RANK_MAX = 8;
/** JSON beside a model (config, index, manifest); Qwen2.5's tokenizer.json, the largest, is 7 MB. */
export const MODEL_JSON_MAX_BYTES = 64 * 1024 * 1024;

/** One chat request at the worker: a few data-URL photos; half of an isolate's 128 MB. */
export const REQUEST_BODY_MAX_BYTES = 32 * 1024 * 1024;
/** One chat request at the endpoint: four 1024-patch embeddings at 7B are 39 MB of base64. */
export const ENDPOINT_BODY_MAX_BYTES = 128 * 1024 * 1024;
/** One encoded image after base64 or download; phone photos are 2 to 12 MB. */
export const IMAGE_MAX_BYTES = 20 * 1024 * 1024;
/** Decoded size, from the header and before any decode: 16 MP is 64 MB as RGBA, half of an isolate. */
export const IMAGE_MAX_PIXELS = 16_000_000;
/** Longest edge in pixels; JPEG's own limit is 65 535, and such strips hold nothing a model can read. */
export const IMAGE_MAX_EDGE_PX = 16_384;
/** VoRA's smart_resize refuses more (data_module/vision_transform.py). */
export const IMAGE_MAX_ASPECT_RATIO = 200;
/** Images in one request; each is hundreds of prompt tokens. */
export const IMAGES_PER_REQUEST_MAX = 8;
