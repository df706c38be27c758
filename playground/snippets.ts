import { chatBody, type Wishes } from './chat-body.ts';

export const LANGUAGES = ['curl', 'javascript', 'python'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Where code finds the picture that the page holds: a file beside it, or an address that serves it. */
export type PictureSource =
  | { kind: 'file'; name: string; type: string }
  | { kind: 'served'; href: string; type: string }
  | { kind: 'url'; url: string };

export interface Request {
  origin: string;
  /** The key itself is never shown: code reads it from VORA_API_KEY. */
  needsKey: boolean;
  wishes: Wishes;
  picture: PictureSource | null;
}

/** Code that sends the very body that the page sends. */
export function snippet(language: Language, request: Request): string {
  switch (language) {
    case 'curl':
      return curl(request);
    case 'javascript':
      return javascript(request);
    case 'python':
      return python(request);
  }
}

/** Stands where the picture's data URL goes; no field of a form can hold a NUL. */
const MARKER = '\u0000';

function bodyOf({ wishes, picture }: Request): object {
  return chatBody(wishes, picture === null ? null : picture.kind === 'url' ? picture.url : MARKER);
}

/** The body goes through a pipe: an argument may not be as long as a photo. */
function curl(request: Request): string {
  const { origin, needsKey, picture } = request;
  const call = [
    `curl -N ${shell(`${origin}/v1/chat/completions`)}`,
    "-H 'content-type: application/json'",
    ...(needsKey ? ['-H "authorization: Bearer $VORA_API_KEY"'] : []),
  ].join(' \\\n  ');
  // Between quotes that are not escaped there is no other NUL.
  const [head = '', tail = ''] = JSON.stringify(bodyOf(request)).split(JSON.stringify(MARKER));
  if (picture === null || picture.kind === 'url') {
    return `${call} \\\n  -d ${shell(head)}`;
  }
  const bytes = picture.kind === 'file' ? `base64 < ${shell(picture.name)}` : `curl -s ${shell(picture.href)} | base64`;
  return [
    `{ printf %s ${shell(`${head}"data:${picture.type};base64,`)}`,
    `  ${bytes} | tr -d '\\n'`,
    `  printf %s ${shell(`"${tail}`)}; } |`,
    `${call} \\\n  --data-binary @-`,
  ].join('\n');
}

function javascript(request: Request): string {
  const { origin, needsKey, picture } = request;
  const lines = ['import OpenAI from "openai";', ''];
  if (picture?.kind === 'file') {
    lines.unshift('import { readFile } from "node:fs/promises";');
    lines.push(`const bytes = await readFile(${JSON.stringify(picture.name)}, "base64");`);
  } else if (picture?.kind === 'served') {
    lines.push(`const file = await fetch(${JSON.stringify(picture.href)});`);
    lines.push('const bytes = Buffer.from(await file.arrayBuffer()).toString("base64");');
  }
  const url = picture === null || picture.kind === 'url' ? '' : `\`data:${picture.type};base64,\${bytes}\``;
  const key = needsKey ? 'process.env.VORA_API_KEY' : '"none"';
  lines.push(
    `const client = new OpenAI({ baseURL: ${JSON.stringify(`${origin}/v1`)}, apiKey: ${key} });`,
    `const stream = await client.chat.completions.create(${literal(bodyOf(request), JAVASCRIPT, url)});`,
    'for await (const chunk of stream) {',
    '  process.stdout.write(chunk.choices[0]?.delta.content ?? "");',
    '}',
  );
  return lines.join('\n');
}

function python(request: Request): string {
  const { origin, needsKey, picture } = request;
  const lines: string[] = [];
  if (picture !== null && picture.kind !== 'url') {
    lines.push('import base64');
  }
  if (needsKey) {
    lines.push('import os');
  }
  if (picture?.kind === 'file') {
    lines.push('from pathlib import Path');
  } else if (picture?.kind === 'served') {
    lines.push('from urllib.request import urlopen');
  }
  lines.push(...(lines.length > 0 ? [''] : []), 'from openai import OpenAI', '');
  if (picture?.kind === 'file') {
    lines.push(`picture = base64.b64encode(Path(${JSON.stringify(picture.name)}).read_bytes()).decode()`);
  } else if (picture?.kind === 'served') {
    lines.push(`picture = base64.b64encode(urlopen(${JSON.stringify(picture.href)}).read()).decode()`);
  }
  const url = picture === null || picture.kind === 'url' ? '' : `f"data:${picture.type};base64,{picture}"`;
  const fields = Object.entries(bodyOf(request)).map(
    ([name, value]) => `    ${name}=${literal(value, PYTHON, url, '    ')},`,
  );
  lines.push(
    `client = OpenAI(base_url=${JSON.stringify(`${origin}/v1`)}, api_key=${needsKey ? 'os.environ["VORA_API_KEY"]' : '"none"'})`,
    'stream = client.chat.completions.create(',
    ...fields,
    ')',
    'for chunk in stream:',
    '    if chunk.choices:',
    '        print(chunk.choices[0].delta.content or "", end="", flush=True)',
    'print()',
  );
  return lines.join('\n');
}

interface Syntax {
  indent: string;
  true: string;
  key(name: string): string;
}

const JAVASCRIPT: Syntax = { indent: '  ', true: 'true', key: (name) => name };
const PYTHON: Syntax = { indent: '    ', true: 'True', key: (name) => JSON.stringify(name) };

/** What is shorter stands on one line. */
const LINE_CHARS = 48;

/** A value as source text: strings of JSON are strings of both languages. `url` stands for the marker. */
function literal(value: unknown, syntax: Syntax, url: string, margin = ''): string {
  if (value === MARKER) {
    return url;
  }
  if (value === true) {
    return syntax.true;
  }
  if (typeof value !== 'object' || value === null) {
    return JSON.stringify(value);
  }
  const inner = margin + syntax.indent;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const entries = Array.isArray(value)
    ? value.map((item) => literal(item, syntax, url, inner))
    : Object.entries(value).map(([name, item]) => `${syntax.key(name)}: ${literal(item, syntax, url, inner)}`);
  const line = `${open} ${entries.join(', ')} ${close}`;
  return line.length <= LINE_CHARS && !line.includes('\n')
    ? line
    : `${open}\n${entries.map((entry) => `${inner}${entry},\n`).join('')}${margin}${close}`;
}

function shell(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
