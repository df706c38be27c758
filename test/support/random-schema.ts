import type { Random } from '../../src/endpoint/random.ts';

type Schema = Record<string, unknown>;

const NAMES = ['a', 'b', 'name', 'x"y', 'größe', 'a\nb', 'constructor', '😀', '', 'ab', 'abc', '1', 'a/b~c'];
const PATTERNS = [
  '^[a-z]{2,5}$',
  'x',
  '^a|b$',
  '^(?:foo|bar)+$',
  '^\\d{3}-\\d{4}$',
  '^[^"\\\\]*$',
  '^\\p',
  '\\s',
  '^.{3}$',
];
const FORMATS = ['date', 'time', 'date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid'];
const VALUES = [null, true, false, 0, -1.5, 1e21, 'a', 'x"\\\n', '😀', [], [1, 'b'], {}, { a: [null] }];

/** A JSON schema of the supported keywords, as strange as they allow; most have a value that satisfies them. */
export function randomSchema(random: Random, depth = 3): Schema {
  const definitions: Schema = {};
  const schema = node(random, depth, definitions);
  return Object.keys(definitions).length === 0 ? schema : { ...schema, $defs: definitions };
}

function node(random: Random, depth: number, definitions: Schema): Schema {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const count = (most: number): number => Math.floor(random() * (most + 1));
  const chance = (p: number): boolean => random() < p;
  const inner = (): Schema => node(random, depth - 1, definitions);
  const kinds: (() => Schema)[] = [
    () => ({ type: 'string', ...lengths() }),
    () => ({
      type: 'string',
      pattern: pick(PATTERNS.filter((pattern) => pattern !== '^\\p')),
      ...(chance(0.3) ? lengths() : {}),
    }),
    () => ({ type: 'string', format: pick(FORMATS) }),
    () => number(),
    () => ({
      enum: Array.from({ length: 1 + count(4) }, () => pick(VALUES)).filter(
        (v, i, all) => all.findIndex((o) => JSON.stringify(o) === JSON.stringify(v)) === i,
      ),
    }),
    () => ({ const: pick(VALUES) }),
    () => ({ type: pick(['boolean', 'null'] as const) }),
    () => ({ type: [pick(['string', 'integer'] as const), 'null'] }),
  ];
  const nested: (() => Schema)[] = [
    () => ({ anyOf: Array.from({ length: 1 + count(3) }, inner) }),
    () => ({ type: 'array', items: inner(), ...(chance(0.5) ? items() : {}) }),
    () => object(),
    () => object(),
    () => ({ $ref: `#/$defs/${define()}` }),
    () => ({}),
  ];
  return pick(depth > 0 ? [...kinds, ...nested, ...nested] : kinds)();

  function lengths(): Schema {
    const min = count(4);
    return chance(0.3) ? { minLength: min } : { minLength: min, maxLength: min + count(6) };
  }

  function items(): Schema {
    const min = count(2);
    return chance(0.3) ? { minItems: min } : { minItems: min, maxItems: min + count(3) };
  }

  function number(): Schema {
    const value = (): number => pick([0, 1, -1, 0.5, 7, 10, 99, 100, -250, 1234.5678, 1e-7, 3.14, 1e14, -1e-3]);
    const [low, high] = [value(), value()].sort((a, b) => a - b);
    return {
      type: pick(['number', 'integer'] as const),
      ...(chance(0.5) ? { [pick(['minimum', 'exclusiveMinimum'])]: low } : {}),
      ...(chance(0.5) ? { [pick(['maximum', 'exclusiveMaximum'])]: high } : {}),
      ...(chance(0.2) ? { multipleOf: pick([1, 2, 7, 10, 25]) } : {}),
    };
  }

  function object(): Schema {
    const names = NAMES.filter(() => chance(0.3));
    const properties = Object.fromEntries(names.map((name) => [name, inner()]));
    const required = names.filter(() => chance(0.6));
    return {
      type: 'object',
      ...(chance(0.9) ? { properties } : {}),
      ...(chance(0.9) ? { required: chance(0.1) ? [...required, 'not described'] : required } : {}),
      ...(chance(0.5)
        ? { additionalProperties: pick([false, true, { type: 'integer' }, { type: 'string', maxLength: 3 }]) }
        : {}),
    };
  }

  /** A definition that may hold itself; never without a way out. */
  function define(): string {
    const name = `d${Object.keys(definitions).length}`;
    const own: Schema = { type: 'null' };
    definitions[name] = { anyOf: [own, { type: 'array', items: { $ref: `#/$defs/${name}` } }] };
    (definitions[name] as { anyOf: Schema[] }).anyOf.push(inner());
    return name;
  }
}
