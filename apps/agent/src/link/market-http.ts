import { type EnrolResult, type Inventory, type OperationOutput, operations, Problem, ProblemError } from '@muster/shared-types';
import type { NodeIdentity } from '../identity.js';

export interface EnrolRequest {
  backendUrl: string;
  hostApiKey: string;
  identity: NodeIdentity;
  inventory: Inventory;
  name: string | undefined;
  geolocation: string | undefined;
  region: string | undefined;
  /** Put on the market at once. */
  list: boolean;
}

const TIMEOUT_MS = 15_000;

/** Enrols this machine under its own key; the same key again gives the same node. Throws ProblemError when refused. */
export async function enrol(request: EnrolRequest): Promise<EnrolResult> {
  const { identity, inventory, name, geolocation, region, list } = request;
  const { nonce } = await post(request, 'createEnrolNonce', {});
  return post(request, 'enrolNode', {
    public_key: identity.publicKey,
    nonce,
    signature: identity.signEnrol(nonce),
    inventory,
    list,
    ...(name && { name }),
    ...(geolocation && { geolocation }),
    ...(region && { region }),
  });
}

async function post<K extends 'createEnrolNonce' | 'enrolNode'>(
  { backendUrl, hostApiKey }: EnrolRequest,
  name: K,
  body: object,
): Promise<OperationOutput<(typeof operations)[K]>> {
  const response = await fetch(new URL(operations[name].path, backendUrl), {
    method: 'POST',
    headers: { authorization: `Bearer ${hostApiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer: unknown = await response.json();
  if (response.ok) return operations[name].response.parse(answer) as OperationOutput<(typeof operations)[K]>;
  throw new ProblemError(Problem.parse(answer));
}
