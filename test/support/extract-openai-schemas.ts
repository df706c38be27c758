/**
 * `node test/support/extract-openai-schemas.ts OPENAPI.json`: writes test/fixtures/openai/schemas.json, the part of
 * OpenAI's published description (github.com/openai/openai-openapi, MIT) that our answers are checked against, as plain
 * JSON Schema: without prose, with `nullable` written as a type, and with features that we lack cut out.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const OUT = join(import.meta.dirname, '../fixtures/openai/schemas.json');
const ROOTS = [
  'CreateChatCompletionResponse',
  'CreateChatCompletionStreamResponse',
  'ListModelsResponse',
  'Model',
  'ErrorResponse',
  'Response',
  'ResponseCreatedEvent',
  'ResponseInProgressEvent',
  'ResponseOutputItemAddedEvent',
  'ResponseContentPartAddedEvent',
  'ResponseTextDeltaEvent',
  'ResponseTextDoneEvent',
  'ResponseContentPartDoneEvent',
  'ResponseOutputItemDoneEvent',
  'ResponseCompletedEvent',
  'ResponseIncompleteEvent',
  'ResponseFailedEvent',
  'ResponseErrorEvent',
];
/** Schemas of what we never send, or only repeat; the whole of them would be a hundred more. */
const CUT: Record<string, unknown> = {
  OutputItem: { anyOf: [{ $ref: '#/$defs/OutputMessage' }, { $ref: '#/$defs/FunctionToolCall' }] },
  InputItem: false,
  Tool: false,
  ToolChoiceParam: { $ref: '#/$defs/ToolChoiceOptions' },
  Annotation: false,
  Prompt: false,
  Moderation: false,
  ChatCompletionModeration: false,
  ChatCompletionMessageToolCalls: { type: 'array', items: { $ref: '#/$defs/ChatCompletionMessageToolCall' } },
};
const PROSE = new Set([
  'description',
  'example',
  'examples',
  'title',
  'deprecated',
  'default',
  'discriminator',
  'format',
]);

const [source] = process.argv.slice(2);
if (source === undefined) {
  throw new Error('usage: node test/support/extract-openai-schemas.ts OPENAPI.json');
}
const api = JSON.parse(await readFile(resolve(source), 'utf8')) as { components: { schemas: Record<string, unknown> } };

const $defs: Record<string, unknown> = {};
const waiting = [...ROOTS];
for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
  if (!(name in $defs)) {
    const schema = Object.hasOwn(CUT, name) ? CUT[name] : plain(api.components.schemas[name]);
    $defs[name] = schema;
    waiting.push(...[...JSON.stringify(schema).matchAll(/#\/\$defs\/(\w+)/g)].map((match) => match[1] ?? ''));
  }
}
const sorted = Object.fromEntries(Object.entries($defs).sort(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(OUT, `${JSON.stringify({ $defs: sorted }, undefined, 1)}\n`);

function plain(value: unknown, isProperties = false): unknown {
  if (Array.isArray(value)) {
    return value.map((entry) => plain(entry));
  }
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'string' ? value.replace('#/components/schemas/', '#/$defs/') : value;
  }
  const { nullable, ...rest } = value as Record<string, unknown>;
  const kept = Object.entries(rest).filter(([key]) => isProperties || (!PROSE.has(key) && !key.startsWith('x-')));
  const schema = Object.fromEntries(kept.map(([key, entry]) => [key, plain(entry, key === 'properties')]));
  return nullable === true ? { anyOf: [schema, { type: 'null' }] } : schema;
}
