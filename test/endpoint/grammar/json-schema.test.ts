import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/protocol/json-object.ts';
import { schemaExpression } from '../../../src/endpoint/grammar/json-schema.ts';
import { createMachine } from '../../../src/endpoint/grammar/machine.ts';
import { UnsupportedSchema } from '../../../src/endpoint/grammar/unsupported-schema.ts';
import { matches } from '../../support/matches.ts';

/** A few hundred milliseconds on a machine that does nothing else; without a bound it would be minutes. */
const ATTACK_MAX_MS = 4000;

const OBJECT = {
  type: 'object',
  properties: { a: { type: 'integer' }, b: { type: 'string' }, c: { type: 'null' } },
  required: ['b'],
  additionalProperties: false,
};
const LIST = {
  $ref: '#/$defs/node',
  $defs: {
    node: {
      type: 'object',
      properties: { next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
      required: ['next'],
    },
  },
};

describe('schemaExpression', () => {
  it.each<[JsonObject, string[], string[]]>([
    [
      OBJECT,
      ['{"b":"x"}', '{"a":1,"b":""}', '{"a": -3, "b": "x", "c": null}', '{"b":"x","c":null}'],
      [
        '{}',
        '{"a":1}',
        '{"b":"x","a":1}',
        '{"b":"x","b":"y"}',
        '{"b":"x",}',
        '{"b":"x","d":1}',
        '{ "b":"x"}',
        '{"b" :"x"}',
        '{"b":\n"x"}',
      ],
    ],
    [{ type: 'object' }, ['{}', '{"a":{"b":[1,"x",null,true]},"a":2}'], ['[]', '{a:1}']],
    [{ type: 'object', properties: {}, additionalProperties: false }, ['{}'], ['{"a":1}']],
    [
      { type: 'object', properties: { a: true }, additionalProperties: { type: 'integer' } },
      ['{"b":1}', '{"a":"x","b":1,"ab":2}'],
      ['{"b":"x"}', '{"b":1,"a":2}', '{"a":1,"a":2}', '{"\\u0061":2}'],
    ],
    [{ required: ['x'] }, ['{"x":[]}'], ['{}']],
    [
      { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 },
      ['[true]', '[true,false]', '[true, false]'],
      ['[]', '[true,true,true]', '[true,]', '[1]'],
    ],
    [{ items: false }, ['[]'], ['[1]']],
    [{ type: 'string', minLength: 1, maxLength: 2 }, ['"a"', '"😀é"', '"\\n\\""'], ['""', '"abc"', '"\\u0041"']],
    [{ type: ['integer', 'null'], minimum: 5 }, ['null', '5', '12'], ['4', '"x"', '5.0']],
    [{ const: { a: [1, 'x"'] } }, ['{"a":[1,"x\\""]}'], ['{"a": [1,"x\\""]}', '{}']],
    [{ enum: ['a', 1, null, 'a b'], type: ['string', 'null'] }, ['"a"', '"a b"', 'null'], ['1', '"b"']],
    [{ enum: ['a', 'b'], const: 'b' }, ['"b"'], ['"a"']],
    [{ allOf: [{ type: 'null' }], description: 'one of one' }, ['null'], ['1']],
    [{ anyOf: [{ type: 'string' }, OBJECT] }, ['"x"', '{"b":"x"}'], ['1']],
    [LIST, ['{"next":null}', '{"next":{"next":null}}'], ['{"next":{}}', '{}']],
    [{ $ref: '#/definitions/a~1b%20c', definitions: { 'a/b c': { const: 1 } } }, ['1'], ['2']],
    [
      { properties: { self: { $ref: '#' }, done: { const: true } }, required: ['done'] },
      ['{"done":true}', '{"self":{"done":true},"done":true}'],
      ['{}', '{"self":{},"done":true}'],
    ],
    [
      JSON.parse('{"properties":{"__proto__":{"const":1}},"required":["__proto__"]}') as JsonObject,
      ['{"__proto__":1}'],
      ['{}', '{"__proto__":2}'],
    ],
    [{}, ['1', '"x"', 'null', '[[[]]]', '{"a":{}}', '-1.5e-3'], ['', 'nul1', '01', '[1,]']],
    [{ type: 'string', 'x-order': 3, title: 't', default: 4, examples: [] }, ['"x"'], ['4']],
  ])('of %j', (schema, whole, others) => {
    const expression = schemaExpression(schema);
    expect(whole.filter((text) => matches(expression, text) !== 'whole')).toEqual([]);
    expect(others.filter((text) => matches(expression, text) === 'whole')).toEqual([]);
  });

  it.each<[JsonObject, string]>([
    [{ oneOf: [{}] }, 'oneOf'],
    [{ not: {} }, 'not'],
    [{ if: {}, else: {} }, 'if'],
    [{ type: 'array', uniqueItems: true }, 'uniqueItems'],
    [{ type: 'array', prefixItems: [] }, 'prefixItems'],
    [{ type: 'array', items: [{}] }, 'items'],
    [{ type: 'object', patternProperties: {} }, 'patternProperties'],
    [{ type: 'object', properties: { a: { propertyNames: {} } } }, 'properties.a.propertyNames'],
    [{ anyOf: [{}, { contains: {} }] }, 'anyOf[1].contains'],
    [{ anyOf: [{}], type: 'object' }, 'type'],
    [{ allOf: [{}, {}] }, 'allOf'],
    [{ $ref: '#', type: 'object' }, 'type'],
    [{ $ref: 'https://example.com/schema' }, '$ref'],
    [{ $ref: '#/nowhere' }, '$ref'],
    [{ $ref: '#/properties/toString' }, '$ref'],
    [{ type: 'text' }, 'type'],
    [{ type: [] }, 'type'],
    [{ type: 'string', minLength: -1 }, 'minLength'],
    [{ type: 'string', maxLength: 1.5 }, 'maxLength'],
    [{ type: 'string', format: 'uri' }, 'format'],
    [{ type: 'string', pattern: 'a(?!b)' }, 'pattern'],
    [{ type: 'string', pattern: 'x'.repeat(2000) }, 'pattern'],
    [{ type: 'number', minimum: '1' }, 'minimum'],
    [{ type: 'number', multipleOf: 0.1 }, 'multipleOf'],
    [{ type: 'object', properties: [] }, 'properties'],
    [{ type: 'object', required: 'a' }, 'required'],
    [{ enum: 'a' }, 'enum'],
    [{ type: 'object', properties: { a: 7 } }, 'properties.a'],
    [{ enum: [1], minimum: 3 }, 'minimum'],
    [{ minProprties: 1 }, 'minProprties'],
    [{ properties: { a: { $ref: '#/$defs/b' } }, $defs: { b: { type: 'array', contains: {} } } }, '$defs.b.contains'],
  ])('refuses %j and names %s', (schema, place) => {
    expect(() => schemaExpression(schema)).toThrow(
      expect.objectContaining({ name: 'UnsupportedSchema', place }) as Error,
    );
  });

  it.each<[JsonObject]>([
    [{ type: 'integer', minimum: 3, maximum: 2 }],
    [{ enum: ['a'], type: 'integer' }],
    [{ properties: { a: { $ref: '#' } }, required: ['a'] }],
    [{ $ref: '#' }],
    [{ type: 'array', items: false, minItems: 1 }],
    [{ type: 'string', pattern: '^a{3}$', maxLength: 2 }],
    [{ type: 'object', properties: {}, required: ['a'], additionalProperties: false }],
  ])('finds that nothing follows %j', (schema) => {
    expect(createMachine(schemaExpression(schema)).start).toBeNull();
  });

  it('leaves out what would have no end, and keeps the rest', () => {
    const endless = { type: 'object', properties: { self: { $ref: '#/$defs/endless' } }, required: ['self'] };
    const schema = { anyOf: [{ $ref: '#/$defs/endless' }, { type: 'null' }], $defs: { endless } };
    expect(matches(schemaExpression(schema), '{')).toBe('no');
    expect(matches(schemaExpression(schema), 'null')).toBe('whole');
  });
});

describe('schemas that are attacks', () => {
  const properties = (count: number, value: unknown): JsonObject =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, value]));
  const nest = (depth: number, wrap: (inner: JsonObject) => JsonObject): JsonObject =>
    Array.from({ length: depth }).reduce<JsonObject>((inner) => wrap(inner), { type: 'null' });

  it.each<[string, JsonObject]>([
    ['too many properties', { properties: properties(6000, {}) }],
    ['too many values', { enum: Array.from({ length: 2000 }, (_, i) => i) }],
    ['too many alternatives', { anyOf: Array.from({ length: 30_000 }, () => ({})) }],
    ['hundreds of patterns', { properties: properties(900, { type: 'string', pattern: '(a|b)*a(a|b){12}' }) }],
    ['hundreds of lengths', { properties: properties(900, { type: 'string', pattern: 'x', maxLength: 100_000 }) }],
    ['hundreds of multiples', { properties: properties(900, { type: 'integer', multipleOf: 997 }) }],
  ])('refuses %s within seconds', (_, schema) => {
    const started = performance.now();
    expect(() => schemaExpression(schema)).toThrow(UnsupportedSchema);
    expect(performance.now() - started).toBeLessThan(ATTACK_MAX_MS);
  });

  it('follows a chain of a thousand references', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 5000 }, (_, i) => [`d${i}`, i === 4999 ? { const: 7 } : { $ref: `#/$defs/d${i + 1}` }]),
    );
    expect(matches(schemaExpression({ $ref: '#/$defs/d0', $defs }), '7')).toBe('whole');
  });

  it.each<[string, JsonObject, string]>([
    [
      'alternatives that are one',
      nest(6, (inner) => ({ type: 'array', items: { anyOf: [inner, inner, { ...inner }] } })),
      '['.repeat(6),
    ],
    [
      'alternatives of a recursion',
      {
        $ref: '#/$defs/a',
        $defs: {
          a: { type: 'array', items: { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/b' }] } },
          b: { type: 'array', items: { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/b' }] } },
        },
      },
      '['.repeat(40),
    ],
    [
      'thousands of properties that may be left out',
      { properties: properties(1900, { type: 'null' }), additionalProperties: true },
      '{"p1800":null,"p1801":null,"other":1,',
    ],
    ['a depth that a recursion has', {}, '['.repeat(20_000)],
    [
      'a list of a million',
      { type: 'array', items: { type: 'integer' }, minItems: 1_000_000 },
      `[${'1,'.repeat(5000)}`,
    ],
    ['a string of a million', { type: 'string', minLength: 1_000_000 }, `"${'x'.repeat(20_000)}`],
  ])('reads on within seconds under %s', (_, schema, text) => {
    const started = performance.now();
    expect(matches(schemaExpression(schema), text)).toBe('begun');
    expect(performance.now() - started).toBeLessThan(ATTACK_MAX_MS);
  });
});
