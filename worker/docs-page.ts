import { html, raw } from 'hono/html';
import { fieldRows } from './schema-fields.ts';
import type { ApiDescription, JsonSchema, OperationObject } from './openapi.ts';
import { textResponse } from './sized-response.ts';

type Html = ReturnType<typeof html>;

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
h2 { margin-top: 3rem; border-bottom: 1px solid #d0d7de }
code, pre { font: 14px/1.5 ui-monospace, monospace }
pre { background: #f6f8fa; padding: 0.75rem; overflow-x: auto }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1.5rem }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid #eaeef2 }
nav li { list-style: none } nav ul { padding: 0 }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } pre { background: #161b22 } a { color: #79b8ff }
  h2, th, td { border-color: #30363d }
}`;

/**
 * The API's description as a page that reads without scripts, fonts or anything else from elsewhere; its policy forbids
 * all but its own style sheet, which is named by hash.
 */
export async function docsPage(api: ApiDescription): Promise<Response> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(STYLE));
  const styleHash = btoa(String.fromCharCode(...new Uint8Array(digest)));
  const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  const headers = {
    'content-security-policy': policy,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
  return textResponse(String(await page(api)), { headers }, 'text/html; charset=utf-8');
}

function page(api: ApiDescription): Html {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );
  const { title, version, description } = api.info;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} API</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <h1>${title} API ${version}</h1>
        <p>${description}</p>
        <p>
          Send the key as <code>Authorization: Bearer KEY</code>. Point an OpenAI client at this server’s
          <code>/v1</code>. For machines: <a href="/openapi.json">/openapi.json</a>.
        </p>
        <nav>
          <ul>
            ${operations.map(
              ({ name, operation }) =>
                html`<li>
                  <a href="#${operation.operationId}"><code>${name}</code></a> ${operation.summary}
                </li> `,
            )}
          </ul>
        </nav>
        <main>
          ${operations.map(({ name, operation }) => section(name, operation, api.components.schemas))}
          <h2 id="errors">Errors</h2>
          <p>A bad request is a 400 whose <code>param</code> is the path of the field at fault.</p>
          ${table(api.components.schemas['Error'], api.components.schemas)}
        </main>
      </body>
    </html> `;
}

function section(name: string, operation: OperationObject, schemas: Record<string, JsonSchema>): Html {
  const { operationId, summary, description, security, parameters = [], requestBody, responses } = operation;
  const query: JsonSchema = {
    properties: Object.fromEntries(
      parameters.map(({ name: field, schema, description: meaning = '' }) => [
        field,
        { ...schema, description: meaning },
      ]),
    ),
    required: parameters.filter(({ required }) => required).map(({ name: field }) => field),
  };
  return html`<h2 id="${operationId}"><code>${name}</code></h2>
    <p><strong>${summary}.</strong> ${description}${security === undefined ? '' : ' Needs no key.'}</p>
    ${Object.entries(requestBody?.content ?? {}).map(
      ([mediaType, { schema }]) =>
        html`<h3>Request: <code>${mediaType}</code></h3>
          ${table(schema, schemas)}`,
    )}
    ${
      parameters.length === 0
        ? ''
        : html`<h3>In the path or query</h3>
            ${table(query, schemas)}`
    }
    ${Object.entries(responses['200']?.content ?? {}).map(
      ([mediaType, { schema }]) =>
        html`<h3>Answer: <code>${mediaType}</code></h3>
          ${table(schema, schemas)}`,
    )} `;
}

function table(schema: JsonSchema | undefined, schemas: Record<string, JsonSchema>): Html | string {
  const rows = schema === undefined ? [] : fieldRows(schema, schemas);
  if (rows.length === 0) {
    return '';
  }
  return html`<table>
    <tr>
      <th>field</th>
      <th>type</th>
      <th></th>
    </tr>
    ${rows.map(
      ({ path, type, required, description }) =>
        html`<tr>
          <td><code>${path}</code></td>
          <td>${type}${required ? '' : ', optional'}</td>
          <td>${description}</td>
        </tr> `,
    )}
  </table> `;
}
