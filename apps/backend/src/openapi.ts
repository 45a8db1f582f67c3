import { makeProblem, operations, Problem, problems, type OperationName, type OperationSpec, type ProblemCode } from '@muster/shared-types';
import { z } from 'zod';
import { VERSION } from './platform/version.js';

type Json = Record<string, unknown>;

/** Answers that any operation may give, beside those that its entry in the catalogue names. */
const ALWAYS: readonly ProblemCode[] = ['rate_limited', 'unavailable', 'internal'];
const LOCAL = '#/components/schemas/';
const PREFIX = '/api/v1';
const BYTES: Json = { 'application/octet-stream': {} };

const HEADERS: Json = {
  'X-Request-Id': { description: 'Names this request in our logs', schema: { type: 'string' } },
  RateLimit: { description: 'What is left: `"default";r=<requests>;t=<seconds>`', schema: { type: 'string' } },
  'RateLimit-Policy': { description: 'The limit: `"default";q=<requests>;w=<seconds>`', schema: { type: 'string' } },
  'Retry-After': { description: 'Seconds to wait before trying again', schema: { type: 'integer' } },
  'Idempotent-Replayed': { description: '`true` when this is the answer of an earlier request with the same key', schema: { type: 'string' } },
};

/** The OpenAPI 3.1 document, made from the catalogue of operations and nothing else. */
export function openApiDocument(): Json {
  const components = new Components();
  const paths: Record<string, Json> = {};
  for (const [name, spec] of Object.entries(operations) as [OperationName, OperationSpec][]) {
    paths[spec.path] = { ...paths[spec.path], [spec.method.toLowerCase()]: operationObject(name, spec, components) };
  }
  const problem = components.add(Problem, 'output');
  return {
    openapi: '3.1.0',
    info: info(),
    servers: [{ url: '/' }],
    tags: [...new Set(Object.values(operations).map((spec) => spec.tag))].map((name) => ({ name })),
    paths,
    components: { schemas: components.schemas, headers: HEADERS, responses: problemResponses(problem), securitySchemes: securitySchemes() },
  };
}

function info(): Json {
  return {
    title: 'Muster',
    version: VERSION,
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    description: [
      'Rents GPUs and compute from anyone to anyone. JSON in snake_case; times are RFC 3339; money is a decimal string in USD.',
      'Failures are RFC 9457 problems: switch on `code`. Lists are paged: pass `next` as `cursor`. Unknown fields in answers must be ignored.',
      'POSTs that cost money take `Idempotency-Key`: the same key and body gives the same answer, another body 422.',
    ].join('\n\n'),
  };
}

function operationObject(name: string, spec: OperationSpec, components: Components): Json {
  const body = requestBody(spec, components);
  return {
    operationId: name,
    summary: spec.summary,
    tags: [spec.tag],
    ...(isOpen(spec) ? { security: [] } : { security: security(spec) }),
    'x-muster-auth': spec.auth.kind === 'user' ? `user:${spec.auth.scope}` : spec.auth.kind,
    'x-muster-owner': spec.owner,
    parameters: [...parameters('path', spec.params, components), ...parameters('query', spec.query, components), ...idempotencyKey(spec)],
    ...(body ? { requestBody: body } : {}),
    responses: responses(spec, components),
  };
}

function requestBody(spec: OperationSpec, components: Components): Json | undefined {
  if (spec.bytes === 'in') return { required: true, content: BYTES };
  return spec.body && { required: !spec.body.safeParse({}).success, content: { 'application/json': { schema: components.add(spec.body, 'input') } } };
}

function security(spec: OperationSpec): Json[] {
  return spec.auth.kind === 'host' ? [{ hostApiKey: [] }] : [{ session: [] }, { apiKey: [] }];
}

function parameters(place: 'path' | 'query', schema: z.ZodObject | undefined, components: Components): Json[] {
  if (!schema) return [];
  return Object.entries(schema.shape).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path' || !z.safeParse(field, undefined).success,
    schema: components.add(field as z.ZodType, 'input'),
  }));
}

function idempotencyKey(spec: OperationSpec): Json[] {
  if (!spec.idempotent) return [];
  const description = 'Makes this POST safe to repeat: the same key and body gives the same answer';
  return [{ name: 'Idempotency-Key', in: 'header', required: false, description, schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,200}$' } }];
}

function responses(spec: OperationSpec, components: Components): Json {
  const headers = Object.fromEntries(headersOf(spec).map((name) => [name, { $ref: `#/components/headers/${name}` }]));
  const content = spec.bytes === 'out' ? BYTES : { 'application/json': { schema: components.add(spec.response, 'output') } };
  const success = { description: spec.summary, headers, content };
  const codes = problemsOf(spec);
  const statuses = [...new Set(codes.map((code) => problems[code].status))].toSorted((a, b) => a - b);
  const failures = statuses.map((status): [string, Json] => [String(status), failure(codes.filter((code) => problems[code].status === status))]);
  return { [String(spec.status)]: success, ...Object.fromEntries<Json>(failures) };
}

function headersOf(spec: OperationSpec): string[] {
  return ['X-Request-Id', 'RateLimit', 'RateLimit-Policy', ...(spec.idempotent ? ['Idempotent-Replayed'] : [])];
}

/** One response per status; where several problems share it, they are told apart by `code`. */
function failure(codes: ProblemCode[]): Json {
  const only = codes.length === 1 ? codes[0] : undefined;
  if (only) return { $ref: `#/components/responses/${only}` };
  return {
    description: codes.map((code) => `\`${code}\`: ${problems[code].title}`).join('; '),
    content: { 'application/problem+json': { schema: { allOf: [{ $ref: `${LOCAL}Problem` }, { properties: { code: { enum: codes } } }] } } },
  };
}

/** Every problem this operation can answer with. */
export function problemsOf(spec: OperationSpec): ProblemCode[] {
  const found = new Set<ProblemCode>([...spec.problems, ...ALWAYS]);
  if (!isOpen(spec)) for (const code of ['unauthenticated', 'session_expired', 'forbidden'] as const) found.add(code);
  if (spec.auth.kind === 'user' || spec.auth.kind === 'operator') found.add('scope_missing');
  if (spec.params || spec.query || spec.body || spec.idempotent) found.add('invalid_request');
  if (spec.body) for (const code of ['payload_too_large', 'unsupported_media_type'] as const) found.add(code);
  if (spec.idempotent) for (const code of ['idempotency_conflict', 'idempotency_in_flight'] as const) found.add(code);
  return [...found].toSorted();
}

function problemResponses(schema: Json): Json {
  const codes = [...new Set(Object.values(operations).flatMap(problemsOf))].toSorted();
  return Object.fromEntries(codes.map((code) => [code, {
    description: problems[code].title,
    ...(problems[code].retryable ? { headers: { 'Retry-After': { $ref: '#/components/headers/Retry-After' } } } : {}),
    content: { 'application/problem+json': { schema, example: makeProblem(code) } },
  }]));
}

function securitySchemes(): Json {
  return {
    session: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: `Access token of a session (\`POST ${PREFIX}/auth/sign-in\`), good for 15 minutes` },
    apiKey: { type: 'http', scheme: 'bearer', bearerFormat: 'mst_…', description: 'API key of an account, with scopes' },
    hostApiKey: { type: 'http', scheme: 'bearer', bearerFormat: 'msh_…', description: 'Host API key: what machines connect with' },
  };
}

/** Collects named schemas (those with a `meta({ id })`) while others stay in place. What is sent and what is answered may differ. */
class Components {
  readonly schemas: Record<string, Json> = {};

  add(schema: z.ZodType, io: 'input' | 'output'): Json {
    const override = io === 'output' ? lenient : () => undefined;
    const made = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any', override }) as Json;
    const { $schema: _dialect, $defs, ...rest } = made;
    for (const [name, definition] of Object.entries(($defs ?? {}) as Record<string, Json>)) this.#keep(name, definition, io);
    return pointed(rest, io) as Json;
  }

  #keep(id: string, definition: Json, io: 'input' | 'output'): void {
    const { id: _id, ...schema } = definition;
    this.schemas[nameFor(id, io)] = pointed(schema, io) as Json;
  }
}

const nameFor = (id: string, io: 'input' | 'output'): string => (io === 'input' && !/(Request|Input)$/.test(id) ? `${id}Input` : id);

/** Answers may grow: a client that refuses unknown fields would break. */
function lenient({ jsonSchema }: { jsonSchema: Json }): void {
  if (jsonSchema['additionalProperties'] === false) delete jsonSchema['additionalProperties'];
}

/** `#/$defs/X` → `#/components/schemas/X`, everywhere. */
function pointed(value: unknown, io: 'input' | 'output'): unknown {
  if (Array.isArray(value)) return value.map((item) => pointed(item, io));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => {
    if (key === '$ref' && typeof inner === 'string') return [key, LOCAL + nameFor(inner.replace(/^#\/\$defs\//, ''), io)];
    return [key, pointed(inner, io)];
  }));
}

/** Needs no credential in the header: public, or the link itself is the credential. */
function isOpen(spec: OperationSpec): boolean {
  return spec.auth.kind === 'public' || spec.auth.kind === 'signed_link';
}
