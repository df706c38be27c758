import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const LINES_MAX = 400;
const MEDIAN_LINES_MAX = 160;

interface SourceFile {
  path: string;
  text: string;
  /** Project-relative paths of imported project files. */
  internal: string[];
  /** Names of imported packages and runtime modules. */
  external: string[];
}

const files = ['src', 'worker', 'weights-tools', 'playground', 'wasm'].flatMap((folder) => readFolder(folder));
const byPath = new Map(files.map((file) => [file.path, file]));

describe('architecture', () => {
  it('reads the whole tree', () => {
    expect(files.length).toBeGreaterThan(40);
    const unresolved = files.flatMap((file) =>
      file.internal.filter((path) => !isKnown(path)).map((p) => `${file.path} → ${p}`),
    );
    expect(unresolved).toEqual([]);
  });

  it('lets imports run one way', () => {
    const allowed: Record<string, string[]> = {
      'src/core': ['src/core'],
      'src/endpoint': ['src/endpoint', 'src/core'],
      worker: ['worker', 'src/core', 'wasm'],
      'weights-tools': ['weights-tools', 'src/core'],
      playground: ['playground', 'src/core'],
      wasm: ['wasm'],
    };
    const wrong = files.flatMap((file) =>
      file.internal
        .filter((path) => !(allowed[layerOf(file.path)] ?? []).includes(layerOf(path)))
        .map((path) => `${file.path} → ${path}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no import cycle', () => {
    expect(findCycle()).toBeUndefined();
  });

  it('keeps the core pure: no runtime, no clock, no randomness', () => {
    const packages = ['zod', 'eventsource-parser', '@huggingface/jinja', '@huggingface/tokenizers', '@jsquash/avif'];
    const impure = /\b(Date\.now|new Date\(|performance\.now|Math\.random|setTimeout|setInterval|process\.|Buffer\.)/;
    const core = files.filter((file) => layerOf(file.path) === 'src/core');
    const imports = core.flatMap((file) =>
      file.external
        .filter((name) => !packages.some((known) => name.startsWith(known)))
        .map((n) => `${file.path}: ${n}`),
    );
    expect(imports).toEqual([]);
    expect(core.filter((file) => impure.test(withoutComments(file.text))).map((file) => file.path)).toEqual([]);
  });

  it('keeps each runtime to its own side', () => {
    const using = (pattern: RegExp): string[] =>
      files.filter((file) => file.external.some((name) => pattern.test(name))).map((file) => layerOf(file.path));
    expect(using(/^node:/)).not.toContain('worker');
    expect(using(/^onnxruntime-node/)).not.toContain('worker');
    expect(new Set(using(/^onnxruntime-web/))).toEqual(new Set(['worker']));
    expect(new Set(using(/^@hono\/node-server/))).toEqual(new Set(['src/endpoint']));
  });

  it('keeps files small, named for one concept, and few words long', () => {
    const lines = files.map((file) => ({ path: file.path, lines: file.text.split('\n').length }));
    expect(lines.filter((file) => file.lines > LINES_MAX)).toEqual([]);
    const sorted = lines.map((file) => file.lines).sort((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(MEDIAN_LINES_MAX);
    const vague = /(^|[-/])(utils?|helpers?|manager|base|types|common|misc)\.ts$/;
    expect(files.filter((file) => vague.test(file.path)).map((file) => file.path)).toEqual([]);
  });

  it('names every file in ARCHITECTURE.md and every runtime dependency in README.md', () => {
    const map = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
    const unnamed = files.filter((file) => !map.includes(`\`${mapName(file.path)}\``)).map((file) => file.path);
    expect(unnamed).toEqual([]);
    const listed = [...(map.split('## Files')[1]?.matchAll(/`([\w./-]+\.ts)`/g) ?? [])].map((match) => match[1] ?? '');
    const known = new Set(files.map((file) => mapName(file.path)));
    expect(listed.filter((name) => !known.has(name) && !name.startsWith('examples/'))).toEqual([]);
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    const dependencies = Object.keys(manifest['dependencies'] ?? {});
    expect(dependencies.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
    const pins = Object.values({ ...manifest['dependencies'], ...manifest['devDependencies'] });
    expect(pins.filter((version) => !/^\d+\.\d+\.\d+/.test(version))).toEqual([]);
  });
});

function readFolder(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => readSource(posix.join(folder, name.replaceAll('\\', '/'))));
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const specifiers = [...withoutComments(text).matchAll(/(?:\bfrom|\bimport\(|^import)\s*['"]([^'"]+)['"]/gm)].map(
    (match) => match[1] ?? '',
  );
  const isRelative = (name: string): boolean => name.startsWith('.');
  const internal = specifiers
    .filter(isRelative)
    .map((name) => relative(ROOT, resolve(ROOT, dirname(path), name)).replaceAll('\\', '/'));
  return { path, text, internal, external: specifiers.filter((name) => !isRelative(name)) };
}

/** JSON, wasm and what is built may be imported from inside the tree; they import nothing themselves. */
function isKnown(path: string): boolean {
  return (
    byPath.has(path) || /\.(json|wasm|d\.ts)$/.test(path) || existsSync(join(ROOT, path.replace(/\.js$/, '.d.ts')))
  );
}

function layerOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'src' ? `src/${second}` : first;
}

/** The map's sections are folders, so a file is named there by its path below the layer. */
function mapName(path: string): string {
  return path.slice(layerOf(path).length + 1);
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}

function findCycle(): string[] | undefined {
  const done = new Set<string>();
  function visit(path: string, trail: string[]): string[] | undefined {
    if (trail.includes(path)) {
      return [...trail.slice(trail.indexOf(path)), path];
    }
    if (done.has(path)) {
      return undefined;
    }
    for (const next of byPath.get(path)?.internal ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle) {
        return cycle;
      }
    }
    done.add(path);
    return undefined;
  }
  for (const path of byPath.keys()) {
    const cycle = visit(path, []);
    if (cycle) {
      return cycle;
    }
  }
  return undefined;
}
