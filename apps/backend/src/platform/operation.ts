import { applyDecorators, createParamDecorator, HttpCode, RequestMapping, RequestMethod, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { OperationSpec } from '@muster/shared-types';
import { requestState } from './request-state.js';

export const OPERATION = Symbol('operation');

const METHODS = { GET: RequestMethod.GET, POST: RequestMethod.POST, PUT: RequestMethod.PUT, PATCH: RequestMethod.PATCH, DELETE: RequestMethod.DELETE } as const;

/** `/a/{x}` as the router writes it: `/a/:x`. */
export const routerPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** Binds a controller's method to an operation of the catalogue: route, status, who may call, schemas in and out. */
export function Operation(spec: OperationSpec): MethodDecorator {
  return applyDecorators(
    RequestMapping({ method: METHODS[spec.method], path: routerPath(spec.path) }),
    HttpCode(spec.status),
    SetMetadata(OPERATION, spec),
  );
}

/** The operation that a handler is bound to; undefined for routes outside the catalogue. */
export function operationOf(handler: object): OperationSpec | undefined {
  return Reflect.getMetadata(OPERATION, handler) as OperationSpec | undefined;
}

/** The request's params, query and body, parsed by the operation's schemas: `OperationInput<typeof operations.x>`. */
export const Input = createParamDecorator((_: unknown, context: ExecutionContext) => requestState(context).input);

/** Who is asking: a `Principal`. */
export const Who = createParamDecorator((_: unknown, context: ExecutionContext) => requestState(context).principal);

/**
 * A `SaveAnswer`: call it inside the transaction that does the work of an `idempotent` operation, with the
 * answer. It does nothing when the caller sent no Idempotency-Key.
 */
export const Answer = createParamDecorator((_: unknown, context: ExecutionContext) => requestState(context).saveAnswer);
