import { fail, ok, type ApiKeyScope, type OperationSpec, type Result } from '@muster/shared-types';

export interface UserPrincipal {
  kind: 'user';
  userId: string;
  sessionId?: string;
  apiKeyId?: string;
  scopes: readonly ApiKeyScope[];
  isOperator: boolean;
}
export interface HostPrincipal {
  kind: 'host';
  ownerId: string;
  apiKeyId: string;
}
export interface PublicPrincipal {
  kind: 'public';
}
/** Who is asking. */
export type Principal = UserPrincipal | HostPrincipal | PublicPrincipal;

export const ALL_SCOPES: readonly ApiKeyScope[] = ['read', 'rent', 'host', 'account'];

/** The id of the account that answers for this caller. Only for operations that are not public. */
export function accountOf(who: Principal): string {
  if (who.kind === 'public') throw new Error('a public caller has no account');
  return who.kind === 'user' ? who.userId : who.ownerId;
}

/** Narrows to a signed-in user. The guard has let nobody else through to operations of users and operators. */
export function userOf(who: Principal): UserPrincipal {
  if (who.kind !== 'user') throw new Error(`a ${who.kind} caller reached an operation of users`);
  return who;
}

/** Narrows to a host API key. */
export function hostOf(who: Principal): HostPrincipal {
  if (who.kind !== 'host') throw new Error(`a ${who.kind} caller reached an operation of hosts`);
  return who;
}

/** Whether this caller may use an operation at all; whose things it names is checked where they are read. */
export function mayCall(rule: OperationSpec['auth'], who: Principal): Result<void> {
  // A signed link is checked where it is followed: it names one object, one method and its end.
  if (rule.kind === 'public' || rule.kind === 'signed_link') return ok(undefined);
  if (who.kind === 'public') return fail('unauthenticated');
  if (rule.kind === 'host') {
    return who.kind === 'host' ? ok(undefined) : fail('forbidden', { detail: 'This needs a host API key (msh_…)' });
  }
  if (who.kind === 'host') return fail('forbidden', { detail: 'A host API key serves machines only; use a session or a key that starts with mst_' });
  if (rule.kind === 'operator' && !who.isOperator) return fail('forbidden', { detail: 'Only operators of this market may do that' });
  const scope = rule.kind === 'operator' ? 'account' : rule.scope;
  if (who.scopes.includes(scope)) return ok(undefined);
  return fail('scope_missing', { detail: `This needs the scope \`${scope}\``, facts: { scope } });
}
