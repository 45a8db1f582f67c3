import { type OperationName, type OperationOutput, type OperationRequest, type Operations, operations, type OperationSpec, Problem, ProblemError } from '@muster/shared-types';

export interface ClientOptions {
  /** Base URL of the market, e.g. `http://127.0.0.1:8080`. */
  url: string;
  /** API key (`mst_…`), host API key (`msh_…`) or session token; left out for public operations. */
  token?: string;
  /** Milliseconds for one request; default 30 000. */
  timeoutMs?: number;
  /** Sent as `User-Agent`. */
  userAgent?: string;
}

/** The market cannot be reached or did not answer in time. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  constructor(
    message: string,
    readonly timedOut: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The market refused. `retryAfterS`: seconds after which it asks to be tried again, when it says so. */
export class RefusedError extends ProblemError {
  constructor(
    problem: Problem,
    readonly retryAfterS: number | undefined,
  ) {
    super(problem);
  }
}

/** What a call puts on the wire: for `--explain`, and for people who want to do it themselves. */
export interface WireRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string;
}

type CallArgs<K extends OperationName> = OperationRequest<Operations[K]>;

/** Typed access to every HTTP operation of a market. */
export class MarketClient {
  constructor(private readonly options: ClientOptions) {}

  /** Calls an operation and parses its answer. Throws RefusedError for a refusal, UnreachableError without an answer. */
  async call<K extends OperationName>(name: K, request: CallArgs<K>): Promise<OperationOutput<Operations[K]>> {
    const response = await this.send(this.describe(name, request));
    const answer = await readJson(response);
    if (!response.ok) throw new RefusedError(problemOf(answer, response), Number(response.headers.get('retry-after')) || undefined);
    return operations[name].response.parse(answer) as OperationOutput<Operations[K]>;
  }

  /** The request that `call` would send, with its credentials left out. */
  describe<K extends OperationName>(name: K, request: CallArgs<K>): WireRequest {
    const spec: OperationSpec = operations[name];
    const { params, query, body, idempotencyKey } = request as { params?: Record<string, unknown>; query?: Record<string, unknown>; body?: unknown; idempotencyKey?: string };
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': this.options.userAgent ?? 'muster-client' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (idempotencyKey) headers['idempotency-key'] = idempotencyKey;
    return {
      method: spec.method,
      url: urlOf(this.options.url, spec.path, params ?? {}, query ?? {}),
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    };
  }

  /** Every item of a paged operation, page by page. */
  async *all<K extends PagedName>(name: K, request: CallArgs<K>): AsyncGenerator<ItemOf<K>> {
    let cursor: string | undefined;
    do {
      const query = { ...(request as { query?: object }).query, ...(cursor && { cursor }) };
      const page = (await this.call(name, { ...request, query } as CallArgs<K>)) as { items: ItemOf<K>[]; next: string | null };
      yield* page.items;
      cursor = page.next ?? undefined;
    } while (cursor);
  }

  private async send(wire: WireRequest): Promise<Response> {
    const { token, timeoutMs = 30_000 } = this.options;
    const headers = { ...wire.headers, ...(token && { authorization: `Bearer ${token}` }) };
    const ask = (): Promise<Response> => fetch(wire.url, { method: wire.method, headers, signal: AbortSignal.timeout(timeoutMs), ...(wire.body !== undefined && { body: wire.body }) });
    try {
      return await ask().catch((error: unknown) => {
        if (!isRepeatable(wire) || !wasCutOff(error)) throw error;
        return ask();
      });
    } catch (error) {
      const timedOut = error instanceof Error && error.name === 'TimeoutError';
      const host = new URL(this.options.url).host;
      throw new UnreachableError(timedOut ? `${host} did not answer within ${timeoutMs / 1000} s` : `${host} cannot be reached`, timedOut, { cause: error });
    }
  }
}

/** Asking twice does the same as asking once. */
const isRepeatable = ({ method, headers }: WireRequest): boolean => method === 'GET' || headers['idempotency-key'] !== undefined;

/** A connection that ended under the request, as a kept-alive one does when its server closes it in the same moment. */
function wasCutOff(error: unknown): boolean {
  const code = (error as { cause?: { code?: unknown } }).cause?.code;
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET';
}

type PagedName = { [K in OperationName]: OperationOutput<Operations[K]> extends { items: unknown[]; next: string | null } ? K : never }[OperationName];
type ItemOf<K extends PagedName> = OperationOutput<Operations[K]> extends { items: (infer T)[] } ? T : never;

function urlOf(base: string, path: string, params: Record<string, unknown>, query: Record<string, unknown>): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name])));
  const url = new URL(filled, base);
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== null) url.searchParams.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  return url.href;
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Something between us and the market answered in its own words: told as `unavailable`, with the status. */
function problemOf(answer: unknown, response: Response): Problem {
  const parsed = Problem.safeParse(answer);
  if (parsed.success) return parsed.data;
  return { type: 'about:blank', code: 'unavailable', title: 'The answer was not one of a Muster market', status: response.status, detail: `HTTP ${response.status}`, retryable: true };
}
