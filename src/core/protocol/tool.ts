import * as z from 'zod';
import {
  DESCRIPTION_MAX_CHARS,
  FUNCTION_NAME_MAX_CHARS,
  SCHEMAS_TOTAL_MAX_CHARS,
  TOOL_CALL_ID_MAX_CHARS,
  TOOL_CALLS_MAX,
  TOOLS_MAX,
} from '../limits.ts';
import { isJsonObject, type JsonObject, schemaFault } from './json-object.ts';
import { dropNeutralFields } from './request-field.ts';

/** A function that the model may call (openai-openapi: FunctionObject). */
export interface FunctionTool {
  name: string;
  description?: string;
  /** JSON schema of the arguments; absent for a function without any. */
  parameters?: JsonObject;
  /** Arguments must follow the schema exactly, not as well as the model can. */
  strict: boolean;
}

/** Which tools are called: as the model likes, at least one, or the named one. */
export type ToolChoice = 'none' | 'auto' | 'required' | { name: string };

/** A call that the model has made. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON as the model wrote it: cut off where its answer was. */
  arguments: string;
}

/** What OpenAI takes as the name of a function or of a response format. */
export const functionName = z
  .string()
  .regex(
    new RegExp(`^[a-zA-Z0-9_-]{1,${FUNCTION_NAME_MAX_CHARS}}$`),
    `expected 1 to ${FUNCTION_NAME_MAX_CHARS} of letters, digits, _ and -`,
  );

export const description = z.string().max(DESCRIPTION_MAX_CHARS);

/** A JSON schema: any object within its limits. What its keywords mean is for who enforces it. */
export const jsonSchema = z
  .custom<JsonObject>(isJsonObject, 'expected a JSON schema, which is an object')
  .check((ctx) => {
    const fault = schemaFault(ctx.value);
    if (fault !== null) {
      ctx.issues.push({ code: 'custom', input: ctx.value, message: `The schema is ${fault}` });
    }
  })
  .meta({ type: 'object', description: 'A JSON schema' });

const functionTool = z
  .strictObject({
    type: z.literal('function'),
    function: z.preprocess(
      dropNeutralFields,
      z.strictObject({
        name: functionName,
        description: description.optional(),
        parameters: jsonSchema.optional(),
        strict: z.boolean().default(false),
      }),
    ),
  })
  .transform(({ function: { name, strict, description: text, parameters } }): FunctionTool => ({
    name,
    strict,
    ...(text === undefined ? {} : { description: text }),
    ...(parameters === undefined ? {} : { parameters }),
  }));

export const tools = z
  .array(z.preprocess(dropNeutralFields, z.discriminatedUnion('type', [functionTool])))
  .max(TOOLS_MAX)
  .check((ctx) => {
    const names = ctx.value.map(({ name }) => name);
    const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
    if (twice !== -1) {
      const message = `A tool of this name is there already: '${names[twice]}'`;
      ctx.issues.push({ code: 'custom', input: ctx.value, path: [twice, 'function', 'name'], message });
    }
    const chars = ctx.value.reduce((total, { parameters }) => total + JSON.stringify(parameters ?? {}).length, 0);
    if (chars > SCHEMAS_TOTAL_MAX_CHARS) {
      const message = `The schemas have ${chars} characters; at most ${SCHEMAS_TOTAL_MAX_CHARS} are taken`;
      ctx.issues.push({ code: 'custom', input: ctx.value, message });
    }
  });

export const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z
    .strictObject({ type: z.literal('function'), function: z.strictObject({ name: functionName }) })
    .transform(({ function: { name } }) => ({ name })),
]);

export const toolCallId = z.string().min(1).max(TOOL_CALL_ID_MAX_CHARS);

const toolCall = z
  .strictObject({
    id: toolCallId,
    type: z.literal('function'),
    function: z.strictObject({ name: functionName, arguments: z.string() }),
  })
  .transform(({ id, function: { name, arguments: json } }): ToolCall => ({ id, name, arguments: json }));

export const toolCalls = z.array(z.discriminatedUnion('type', [toolCall])).max(TOOL_CALLS_MAX);
