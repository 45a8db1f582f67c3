import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { operations, type OperationSpec } from '@muster/shared-types';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { openApiDocument, problemsOf } from './openapi.js';

const document = openApiDocument();
const paths = z.record(z.string(), z.record(z.string(), z.looseObject({ operationId: z.string(), responses: z.record(z.string(), z.unknown()) }))).parse(document['paths']);
const specs = Object.entries(operations) as [string, OperationSpec][];

it('is a valid OpenAPI 3.1 document', async () => {
  const result = await new Validator().validate(structuredClone(document));
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
});

it('has every operation once, under its name, with its status and all its problems', () => {
  const found = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, entry]) => `${entry.operationId} ${method.toUpperCase()} ${path}`));
  expect(found.toSorted()).toEqual(specs.map(([name, spec]) => `${name} ${spec.method} ${spec.path}`).toSorted());
  for (const [name, spec] of specs) {
    const entry = paths[spec.path]?.[spec.method.toLowerCase()];
    expect(Object.keys(entry?.responses ?? {}), name).toContain(String(spec.status));
    const text = JSON.stringify(entry?.responses);
    for (const code of problemsOf(spec)) expect(text, `${name} ${code}`).toContain(code);
  }
});

it('points at nothing that is not there', () => {
  const pointers = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, pointer = '']) => pointer.split('/'));
  const missing = pointers.filter((steps) => steps.reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document) === undefined);
  expect(missing).toEqual([]);
  expect(pointers.length).toBeGreaterThan(100);
});

it('defines every schema, none as a mere pointer', () => {
  const { schemas } = z.object({ schemas: z.record(z.string(), z.record(z.string(), z.unknown())) }).parse(document['components']);
  for (const [name, schema] of Object.entries(schemas)) expect(Object.keys(schema), name).not.toContain('$ref');
  expect(schemas['Problem']).toMatchObject({ type: 'object', required: expect.arrayContaining(['code', 'status']) });
  expect(schemas['RentRequest']).toMatchObject({ additionalProperties: false });
});

it('names the params of its paths', () => {
  for (const [path, methods] of Object.entries(paths)) {
    const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const entry of Object.values(methods)) {
      const given = z.array(z.object({ name: z.string(), in: z.string() })).parse(entry['parameters']);
      expect(given.filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name), path).toEqual(wanted);
    }
  }
});

it('is committed as docs/openapi.json (otherwise: pnpm --filter @muster/backend openapi:write)', () => {
  const committed: unknown = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'));
  expect(committed).toEqual(document);
});
