/** Header of a GGUF file, tokenizer included; 152k tokens and their merges take 6 MB, the largest vocabularies 20. */
export const GGUF_HEADER_MAX_BYTES = 100_000_000;
/** Key-value pairs of a GGUF header; real files have under a hundred. */
export const GGUF_PAIRS_MAX = 4096;
/** Elements of all arrays of a GGUF header together: tokens, scores, types and merges of a full vocabulary. */
export const GGUF_ARRAY_ELEMENTS_MAX = 4_194_304;
/** Tensors of a GGUF file: twelve for each of MODEL_LAYERS_MAX blocks, and room for single experts. */
export const GGUF_TENSORS_MAX = 65_536;
/** Bytes of a GGUF key; the format's own limit. */
export const GGUF_KEY_MAX_BYTES = 65_535;
/** Bytes of a tensor's name; ggml stores 63 and a zero. */
export const GGUF_NAME_MAX_BYTES = 63;
/** Alignment of tensors in a GGUF file, in bytes; 32 is usual, a page 4096. */
export const GGUF_ALIGNMENT_MAX_BYTES = 65_536;
/** JSON beside a model (config, index, manifest); Qwen2.5's tokenizer.json, the largest, is 7 MB. */
export const MODEL_JSON_MAX_BYTES = 64 * 1024 * 1024;
/** Names and other text of an ONNX model; a 7B decoder has 0.3 MB. */
export const ONNX_TEXT_MAX_BYTES = 64 * 1024 * 1024;
/** Answer tokens that `vora verify` compares after one prompt: their logits are held at once, 156 MB at 152k words. */
export const VERIFY_ANSWER_MAX_TOKENS = 256;
/** Prompts of one `vora verify`; their logits lie on the disk meanwhile, 50 MB for ten answers of eight tokens at 152k words. */
export const VERIFY_PROMPTS_MAX = 100_000;
/** Folded against unfolded vision embedding, relative error of a patch; f32 itself leaves about 1e-6. */
export const FOLD_RELATIVE_ERROR_MAX = 1e-4;
/** Rank of an adapter: VoRA-7B has 1024, PEFT's usual are 4 to 512, and past the width of a weight it saves nothing. */
export const ADAPTER_RANK_MAX = 65_536;
/** Adapters of one merge; each adds its factors to the memory of every block. */
export const ADAPTERS_MAX = 64;
/** Entries of an adapter's rank_pattern or alpha_pattern; one for each linear of Llama-3.1-405B are 882. */
export const ADAPTER_PATTERNS_MAX = 2048;
/** One such pattern: a module's name, or a few with wildcards. */
export const ADAPTER_PATTERN_MAX_CHARS = 256;
/** `*`, `+`, `?` and `{` in one pattern: each multiplies the time of a match by the length of a module's name. */
export const ADAPTER_PATTERN_MAX_REPETITIONS = 3;
/** The generator of DARE's choice takes 32 bits. */
export const DARE_SEED_MAX = 2 ** 32 - 1;
/** Threads of a command; more than processors only take memory, some 40 MB each. */
export const THREADS_MAX = 256;
