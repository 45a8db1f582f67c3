import { z } from 'zod';
import { ADMIN_USER } from './frpc-config.rules.js';
import { TunnelError } from './types.js';

const TIMEOUT_MS = 3_000;
/** Key in frp's proxy metadata under which a proxy says which rental it serves. */
const RENTAL_KEY = 'muster_rental';

/** One proxy as we want it; the name follows from the public port. */
export interface StoredProxy {
  name: string;
  rentalId: string;
  localIp: string;
  localPort: number;
  remotePort: number;
}

/** frpc's word on a proxy: `start error` for refused ones, which the store API itself has answered with 200. */
export interface ProxyStatus {
  name: string;
  phase: string;
  error: string;
  /** `address:port` behind it. */
  localAddr: string;
}

const Definition = z.object({
  name: z.string(),
  tcp: z.object({
    localIP: z.string().default(''),
    localPort: z.number().default(0),
    remotePort: z.number().default(0),
    metadatas: z.record(z.string(), z.string()).default({}),
  }),
});
const ProxyList = z.object({ proxies: z.array(z.unknown()).nullish() });
const StatusList = z.record(z.string(), z.array(z.object({ name: z.string(), status: z.string(), err: z.string().default(''), local_addr: z.string().default('') })).nullable());

export interface AdminAccess {
  port: number;
  password: string;
}

/** Client of one frpc's admin API. Every failure to get an answer is a `TunnelError`. */
export class StoreApi {
  private readonly base: string;
  private readonly authorization: string;

  constructor(access: AdminAccess) {
    this.base = `http://127.0.0.1:${access.port}`;
    this.authorization = `Basic ${Buffer.from(`${ADMIN_USER}:${access.password}`).toString('base64')}`;
  }

  /** The tcp proxies in the store, also those that do not run. */
  async list(): Promise<StoredProxy[]> {
    const { proxies } = expected(ProxyList, await this.call('GET', '/api/store/proxies'));
    return (proxies ?? []).flatMap((proxy) => {
      const definition = Definition.safeParse(proxy);
      return definition.success ? [fromDefinition(definition.data)] : [];
    });
  }

  /** The status of every proxy that the present session knows; empty while there is no session. */
  async status(): Promise<ProxyStatus[]> {
    const byType = expected(StatusList, (await this.call('GET', '/api/status')) ?? {});
    return (byType['tcp'] ?? []).map((proxy) => ({ name: proxy.name, phase: proxy.status, error: proxy.err, localAddr: proxy.local_addr }));
  }

  async create(proxy: StoredProxy): Promise<void> {
    await this.call('POST', '/api/store/proxies', toDefinition(proxy));
  }

  /** Replaces a proxy's definition; frpc stops and starts only this one. */
  async update(proxy: StoredProxy): Promise<void> {
    await this.call('PUT', `/api/store/proxies/${encodeURIComponent(proxy.name)}`, toDefinition(proxy));
  }

  /** Fine when there is no such proxy. */
  async remove(name: string): Promise<void> {
    await this.call('DELETE', `/api/store/proxies/${encodeURIComponent(name)}`, undefined, [404]);
  }

  /** Makes the present session run exactly what is stored, whatever it has missed. Cuts nothing that is right already. */
  async reload(): Promise<void> {
    await this.call('GET', '/api/reload');
  }

  private async call(method: string, path: string, body?: unknown, alsoFine: readonly number[] = []): Promise<unknown> {
    const { status, text } = await this.request(method, path, body);
    if (status < 300) return text === '' ? undefined : jsonOf(text);
    if (alsoFine.includes(status)) return undefined;
    throw new TunnelError(`frpc answered ${status} to ${method} ${path}: ${text.slice(0, 300)}`);
  }

  private async request(method: string, path: string, body: unknown): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(this.base + path, {
        method,
        headers: { authorization: this.authorization, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      throw new TunnelError(`frpc does not answer ${method} ${path}`, { cause: error });
    }
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new TunnelError('what answers on the admin port is not frpc', { cause: error });
  }
}

function expected<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new TunnelError('frpc answered in a shape that this version does not know', { cause: parsed.error });
  return parsed.data;
}

const fromDefinition = ({ name, tcp }: z.output<typeof Definition>): StoredProxy => ({
  name,
  rentalId: tcp.metadatas[RENTAL_KEY] ?? '',
  localIp: tcp.localIP,
  localPort: tcp.localPort,
  remotePort: tcp.remotePort,
});

const toDefinition = (proxy: StoredProxy): unknown => ({
  name: proxy.name,
  type: 'tcp',
  tcp: {
    localIP: proxy.localIp,
    localPort: proxy.localPort,
    remotePort: proxy.remotePort,
    metadatas: { [RENTAL_KEY]: proxy.rentalId },
  },
});
