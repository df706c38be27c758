import * as z from 'zod';
import type { JsonObject } from './json-object.ts';
import { dropNeutralFields } from './request-field.ts';
import { description, functionName, jsonSchema } from './tool.ts';

/** The form that the text of an answer must have; free text has none. */
export type AnswerFormat =
  | { type: 'json_object' }
  | { type: 'json_schema'; name: string; description?: string; schema?: JsonObject; strict: boolean };

/** `response_format` (openai-openapi: ResponseFormatText, ResponseFormatJsonObject, ResponseFormatJsonSchema). */
export const answerFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }).transform(() => undefined),
  z.strictObject({ type: z.literal('json_object') }),
  z
    .strictObject({
      type: z.literal('json_schema'),
      json_schema: z.preprocess(
        dropNeutralFields,
        z.strictObject({
          name: functionName,
          description: description.optional(),
          schema: jsonSchema.optional(),
          strict: z.boolean().default(false),
        }),
      ),
    })
    .transform(({ type, json_schema: { name, strict, description: text, schema } }): AnswerFormat => ({
      type,
      name,
      strict,
      ...(text === undefined ? {} : { description: text }),
      ...(schema === undefined ? {} : { schema }),
    })),
]);
