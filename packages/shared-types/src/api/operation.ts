import { z } from 'zod';
import type { ProblemCode } from '../problems.js';

/** Who may call. `user`: session token or API key with `scope`; `host`: host API key; `operator`: a user marked as one. */
export type AuthRule =
  | { kind: 'public' }
  | { kind: 'user'; scope: 'read' | 'rent' | 'host' | 'account' }
  | { kind: 'host' }
  | { kind: 'operator' }
  /** A link that the market signed: whoever holds it, until it ends. */
  | { kind: 'signed_link' };

/**
 * Whose thing the path names. The test that walks every operation with a wrong account reads it:
 * `none` = nothing of anybody's, `self` = only the caller's own rows can appear, otherwise the path names a thing of one owner.
 */
export type OwnerRule = 'none' | 'self' | 'rental' | 'node' | 'api_key' | 'ssh_key' | 'session' | 'job' | 'upload' | 'template';

export interface OperationSpec {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** OpenAPI form: `/api/v1/rentals/{rental_id}`. */
  path: string;
  summary: string;
  tag: string;
  auth: AuthRule;
  owner: OwnerRule;
  /** POST that costs money: takes `Idempotency-Key`. */
  idempotent?: true;
  /** What comes in, or goes out, is bytes and not JSON. */
  bytes?: 'in' | 'out';
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodObject;
  status: 200 | 201 | 202 | 204;
  response: z.ZodType;
  problems: readonly ProblemCode[];
}

/** Keeps literal types while checking the form. */
export const operation = <const S extends OperationSpec>(spec: S): S => spec;

type Parsed<T> = T extends z.ZodType ? z.output<T> : undefined;
type Sent<T> = T extends z.ZodType ? z.input<T> : undefined;
type Field<S, K extends string> = K extends keyof S ? S[K] : undefined;

/** What a handler gets: every part parsed by its schema. */
export interface OperationInput<S extends OperationSpec> {
  params: Parsed<Field<S, 'params'>>;
  query: Parsed<Field<S, 'query'>>;
  body: Parsed<Field<S, 'body'>>;
}
type Required1<K extends string, T> = T extends undefined ? { [P in K]?: undefined } : { [P in K]: T };
type Optional1<K extends string, T> = T extends undefined ? { [P in K]?: undefined } : { [P in K]?: T };
/** What a caller sends. `query` may always be left out: all its fields have defaults or are optional. */
export type OperationRequest<S extends OperationSpec> = Required1<'params', Sent<Field<S, 'params'>>> &
  Optional1<'query', Partial<Sent<Field<S, 'query'>>> | undefined extends infer Q ? (Field<S, 'query'> extends undefined ? undefined : Q) : never> &
  Required1<'body', Sent<Field<S, 'body'>>> & { idempotencyKey?: string };
export type OperationOutput<S extends OperationSpec> = z.output<S['response']>;

export const Empty = z.object({}).meta({ id: 'Empty' });

/** Cursor page: `next` goes into `cursor` of the following call; null at the end. */
export const pageQuery = { cursor: z.string().max(500).optional(), limit: z.coerce.number().int().min(1).max(200).default(50) };
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() });
