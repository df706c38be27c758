import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { MalformedFile } from '../bytes/malformed-file.ts';
import { parseStrictJson } from '../bytes/strict-json.ts';

export interface Tokenizer {
  /** Token ids of a text; adds no BOS or EOS, since the chat template writes every control token itself. */
  encode(text: string): number[];
  /** UTF-8 bytes of one token. Empty for control tokens and for ids the vocabulary does not use. */
  bytesOf(id: number): Uint8Array;
  /** What a control token is called, such as `<|im_end|>`; null for all others. */
  controlOf(id: number): string | null;
  /** Spelling of each token that steers the model, such as `<|im_start|>`. */
  readonly controlTokens: readonly string[];
}

/**
 * A byte-level BPE tokenizer (GPT-2, Qwen2) from Hugging Face's tokenizer.json and tokenizer_config.json.
 *
 * @param shown control tokens that are text nevertheless when the model writes them: the marks of its tool calls.
 * @throws MalformedFile when a file is not JSON or the tokenizer is of another kind.
 */
export function createTokenizer(
  tokenizerJson: string,
  tokenizerConfigJson: string,
  shown: readonly string[] = [],
): Tokenizer {
  const definition = parseObject('tokenizer.json', tokenizerJson);
  const config = parseObject('tokenizer_config.json', tokenizerConfigJson);
  requireByteLevel(definition);
  const tokenizer = new HuggingFaceTokenizer(definition, config);
  const added = tokenizer.get_added_tokens_decoder();
  const utf8 = new TextEncoder();

  function bytesOf(id: number): Uint8Array {
    const addedToken = added.get(id);
    if (addedToken !== undefined) {
      return controlOf(id) === null ? utf8.encode(addedToken.content) : new Uint8Array();
    }
    return Uint8Array.from(tokenizer.id_to_token(id) ?? '', byteOfCharacter);
  }

  function controlOf(id: number): string | null {
    const token = added.get(id);
    return token?.special === true && !shown.includes(token.content) ? token.content : null;
  }

  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    bytesOf,
    controlOf,
    controlTokens: [...added.values()].filter((token) => token.special).map((token) => token.content),
  };
}

/** `bytesOf` inverts the byte-level alphabet, so any other decoder would give wrong text without an error. */
function requireByteLevel(definition: Record<string, unknown>): void {
  const decoder = definition['decoder'];
  const type = typeof decoder === 'object' && decoder !== null && 'type' in decoder ? decoder.type : decoder;
  if (type !== 'ByteLevel') {
    throw new MalformedFile('tokenizer.json', 'decoder.type', JSON.stringify(type), '"ByteLevel"');
  }
}

function parseObject(file: string, text: string): Record<string, unknown> {
  const value = parseStrictJson(file, text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedFile(file, 'top level', 'no object', 'a JSON object');
  }
  return value as Record<string, unknown>;
}

/**
 * GPT-2's `bytes_to_unicode`: printable Latin-1 bytes stand for themselves, the others for U+0100 onwards in byte order.
 */
const BYTE_OF_CHARACTER = new Map<string, number>();
let spare = 0x100;
for (let byte = 0; byte < 0x100; byte++) {
  const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  BYTE_OF_CHARACTER.set(String.fromCharCode(printable ? byte : spare++), byte);
}

function byteOfCharacter(character: string): number {
  const byte = BYTE_OF_CHARACTER.get(character);
  if (byte === undefined) {
    throw new MalformedFile(
      'tokenizer.json',
      'model.vocab',
      `the character ${JSON.stringify(character)}`,
      'the byte-level alphabet',
    );
  }
  return byte;
}
