import * as z from 'zod';
import { errorSchema } from '../src/core/protocol/chat-response-schema.ts';
import { hasStringForm } from '../src/core/protocol/string-form.ts';
import { type Body, type Operation, OPERATIONS } from './api-operations.ts';

/** A JSON Schema (draft 2020-12), which is what OpenAPI 3.1 describes bodies with. */
export type JsonSchema = z.core.JSONSchema.JSONSchema;

interface MediaType {
  schema?: JsonSchema;
}

interface Parameter {
  name: string;
  in: 'path' | 'query';
  required: boolean;
  description?: string;
  schema: JsonSchema;
}

export interface OperationObject {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  security?: [];
  parameters?: Parameter[];
  requestBody?: { required: true; content: Record<string, MediaType> };
  responses: Record<string, { description: string; content: Record<string, MediaType> }>;
}

export interface ApiDescription {
  openapi: '3.1.0';
  info: { title: string; version: string; description: string };
  servers: { url: string }[];
  security: Record<string, string[]>[];
  paths: Record<string, Partial<Record<Operation['method'], OperationObject>>>;
  components: { securitySchemes: Record<string, object>; schemas: Record<string, JsonSchema> };
}

type Direction = 'input' | 'output';

/**
 * The API as an OpenAPI 3.1 document, made from the schemas that validate requests. Zod writes the JSON Schemas itself:
 * no second library has to understand its schemas, and none reads a body before its size is known.
 *
 * @param more operations that this deployment has besides.
 */
export function describeApi(more: readonly Operation[] = []): ApiDescription {
  const schemas: ApiDescription['components']['schemas'] = { Error: jsonSchema(errorSchema, 'output') };
  const paths: ApiDescription['paths'] = {};
  for (const operation of [...OPERATIONS, ...more]) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describeOperation(operation, schemas) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'VoRA Edge',
      version: '0.1.0',
      description:
        'Questions about images and text, answered by one plain language model: OpenAI’s chat completions and responses, and three routes for one question about one image. A field that the server does not know is refused by name; a field that is null counts as absent.',
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }],
    paths,
    components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } }, schemas },
  };
}

function describeOperation(operation: Operation, schemas: Record<string, JsonSchema>): OperationObject {
  const { id, summary, description, tag, open, pathParameters, query, request, answer, status = 200 } = operation;
  const parameters = [...parametersOf('path', pathParameters), ...parametersOf('query', query)];
  return {
    operationId: id,
    summary,
    description,
    tags: [tag],
    ...(open === true ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(request === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf(request, 'input', schemas) } }),
    responses: {
      [status]: { description: 'The answer', content: contentOf(answer, 'output', schemas) },
      default: {
        description: 'What went wrong, as OpenAI writes it',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

function parametersOf(where: Parameter['in'], fields: z.ZodObject | undefined): Parameter[] {
  return Object.entries(fields?.shape ?? {}).map(([name, field]) => {
    const { description, ...schema } = jsonSchema(field as z.ZodType, 'input');
    return {
      name,
      in: where,
      required: where === 'path',
      ...(description === undefined ? {} : { description }),
      schema,
    };
  });
}

function contentOf(
  bodies: readonly Body[],
  direction: Direction,
  schemas: Record<string, JsonSchema>,
): Record<string, MediaType> {
  return Object.fromEntries(
    bodies.map(({ mediaType, json }) => {
      if (json === undefined) {
        return [mediaType, {}];
      }
      const [name, schema] = json;
      schemas[name] ??= jsonSchema(schema, direction);
      return [mediaType, { schema: { $ref: `#/components/schemas/${name}` } }];
    }),
  );
}

/** What a client may write (`input`), or what it will read (`output`). */
function jsonSchema(schema: z.ZodType, io: Direction): JsonSchema {
  const { $schema: _, ...described } = z.toJSONSchema(schema, {
    io,
    // A check of our own has no JSON Schema; what there is to say of it is in its `meta`.
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema: found }) {
      if (hasStringForm(zodSchema)) {
        const list = { ...found };
        for (const key of Object.keys(found)) {
          Reflect.deleteProperty(found, key);
        }
        found.anyOf = [{ type: 'string' }, list];
      }
    },
  });
  return described;
}
