import type { OperationName, OperationRequest, Operations } from '@muster/shared-types';

export type RequestOf<K extends OperationName> = OperationRequest<Operations[K]>;
export type ApiCall = { [K in OperationName]: { name: K; request: RequestOf<K> } }[OperationName];

/** One key per call: the operation, and what it is asked with. */
export const queryKey = <K extends OperationName>(name: K, request: RequestOf<K>): readonly [K, RequestOf<K>] => [name, request];
