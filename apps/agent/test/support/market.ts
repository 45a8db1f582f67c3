import { createPublicKey, randomBytes, randomUUID, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AGENT_NAMESPACE, type AbsentEntry, type AckOf, agentMessages, connectStatement, enrolStatement, type FromAgent, type FromServer, type Heartbeat,
  type ExecData, type ExecutionReport, type ExecutionSpec, type InstanceSpec, type InstanceUpdate, type Inventory, makeProblem, operations, type Payload, PROBLEM_EVENT, type ProblemCode,
  reportLeaf, RESULTS_DOMAIN, resultsStatement, type TaskResults, type TaskUpdate,
} from '@muster/shared-types';
import { parsePublicKey, verifyBatch } from '@muster/proof';
import { Server, type Socket } from 'socket.io';

export const HOST_API_KEY = 'msh_of-this-test-alone';
type EnrolBody = ReturnType<NonNullable<typeof operations.enrolNode.body>['parse']>;

export interface MarketOptions {
  tunnel: { host: string; port: number; ca_pem: string };
  /** A token for this node's frpc. */
  mintToken: (nodeId: string) => Promise<string>;
}

/**
 * The market's side of the agent contract, for one node, on real HTTP and a real Socket.IO server: it checks signatures,
 * parses every message with the contract and keeps all of them. The port stays over `close` and `open`.
 */
export class TestMarket {
  clusterId = randomUUID();
  readonly nodeId = randomUUID();
  generation = 1;
  instances = new Map<string, InstanceSpec>();
  absent = new Map<string, AbsentEntry>();
  enrolments: EnrolBody[] = [];
  inventories: Inventory[] = [];
  heartbeats: Heartbeat[] = [];
  updates: InstanceUpdate[] = [];
  goodbyes: string[] = [];
  execFrames: ExecData[] = [];
  taskUpdates: TaskUpdate['updates'] = [];
  batches: TaskResults[] = [];
  /** Every report once, in the order in which they came. */
  reports: ExecutionReport[] = [];
  /** Results are taken and not answered. */
  muteResults = false;
  /** What lies under `<url>/files/<name>`: inputs to fetch, and archives that came by PUT. */
  readonly files = new Map<string, Buffer>();
  /** Where `<url>/files/<name>` redirects to instead. */
  readonly redirects = new Map<string, string>();
  /** Connections whose answer to the challenge proved the node key. */
  proofs = 0;
  /** What the next handshakes are refused with. */
  refuse: ProblemCode | undefined;
  /** What reports get for an answer before they are taken, one each. */
  readonly nacks: ProblemCode[] = [];
  /** Sent to nobody before the test says so: a node that connects hears nothing after its proof. */
  mute = false;
  private http: HttpServer | undefined;
  private io: Server | undefined;
  private socket: Socket | undefined;
  private port = 0;
  private publicKey = '';
  private readonly nonces = new Set<string>();

  constructor(private readonly options: MarketOptions) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** A node has proven its key on the connection that is open now. */
  get connected(): boolean {
    return this.socket?.connected === true;
  }

  async open(): Promise<void> {
    const http = createServer((request, response) => void this.serve(request, response));
    const io = new Server(http, { transports: ['websocket'] });
    io.of(AGENT_NAMESPACE).use((socket, next) => next(this.refusal(socket)));
    io.of(AGENT_NAMESPACE).on('connection', (socket) => void this.welcome(socket));
    await new Promise<void>((resolve) => http.listen(this.port, '127.0.0.1', resolve));
    this.port = (http.address() as AddressInfo).port;
    [this.http, this.io] = [http, io];
  }

  async close(): Promise<void> {
    await this.io?.close();
    this.http?.closeAllConnections();
    [this.http, this.io, this.socket] = [undefined, undefined, undefined];
  }

  /** Wants the instance from now on and says so at once. */
  start(spec: InstanceSpec): Promise<AckOf<'start_instance'>> {
    this.generation += 1;
    this.instances.set(spec.rental_id, spec);
    return this.send('start_instance', { ...spec, generation: this.generation });
  }

  stop(spec: InstanceSpec, changes: Partial<AbsentEntry> = {}): Promise<AckOf<'stop_instance'>> {
    this.generation += 1;
    this.instances.delete(spec.rental_id);
    const entry: AbsentEntry = { rental_id: spec.rental_id, epoch: spec.epoch, reason: 'destroyed', grace_s: 10, keep_disk: false, ...changes };
    this.absent.set(spec.rental_id, entry);
    return this.send('stop_instance', { ...entry, generation: this.generation });
  }

  sendState(changes: Partial<Payload<'desired_state'>> = {}): Promise<AckOf<'desired_state'>> {
    return this.send('desired_state', { ...this.state(), ...changes });
  }

  async send<K extends FromServer>(name: K, payload: Payload<K>): Promise<AckOf<K>> {
    return agentMessages[name].ack.parse(await this.sendRaw(name, payload)) as AckOf<K>;
  }

  /** Sends anything under any name and gives back what was answered. */
  async sendRaw(name: string, ...payload: unknown[]): Promise<unknown> {
    if (!this.socket) throw new Error('no node is connected');
    return this.socket.timeout(15_000).emitWithAck(name, ...payload);
  }

  /** Ends the node's socket with a reason, as the market does with a revoked key. */
  drop(code: ProblemCode): void {
    this.socket?.emit(PROBLEM_EVENT, makeProblem(code));
    this.socket?.disconnect(true);
  }

  updatesOf(rentalId: string): InstanceUpdate[] {
    return this.updates.filter((update) => update.rental_id === rentalId);
  }

  lastBeatOf(rentalId: string) {
    return this.heartbeats.at(-1)?.instances?.find((beat) => beat.rental_id === rentalId);
  }

  private state(): Payload<'desired_state'> {
    return { cluster_id: this.clusterId, generation: this.generation, instances: [...this.instances.values()], absent: [...this.absent.values()], draining: false };
  }

  private refusal(socket: Socket): Error | undefined {
    const code = socket.handshake.headers.authorization === `Bearer ${HOST_API_KEY}` ? this.refuse : 'unauthenticated';
    return code && Object.assign(new Error(code), { data: makeProblem(code) });
  }

  private async welcome(socket: Socket): Promise<void> {
    let proven = false;
    for (const name of Object.keys(agentMessages) as (keyof typeof agentMessages)[]) {
      if (agentMessages[name].direction !== 'server_to_agent') socket.on(name, (data: unknown, ack?: (answer: unknown) => void) => {
        const answer = this.receive(name as FromAgent, data, proven);
        if (answer !== undefined) ack?.(answer);
      });
    }
    const nonce = randomBytes(32).toString('base64url');
    const challenge = { nonce, cluster_id: this.clusterId, server_time: new Date().toISOString() };
    const answer = await socket.timeout(10_000).emitWithAck('challenge', challenge).catch(() => undefined);
    const parsed = agentMessages.challenge.ack.safeParse(answer).data;
    if (!parsed?.ok || parsed.node_id !== this.nodeId || !this.proves(connectStatement(nonce, this.nodeId), parsed.signature)) return void socket.disconnect(true);
    proven = true;
    this.proofs += 1;
    this.socket = socket;
    if (this.mute) return;
    const token = await this.options.mintToken(this.nodeId);
    socket.emit('tunnel_token', { token, expires_at: new Date(Date.now() + 3_600_000).toISOString() }, () => undefined);
    socket.emit('desired_state', this.state(), () => undefined);
  }

  private receive(name: FromAgent, data: unknown, proven: boolean): unknown {
    if (agentMessages[name].proven && !proven) return { ok: false, problem: makeProblem('not_proven') };
    const parsed = agentMessages[name].payload.safeParse(data);
    if (!parsed.success) throw new Error(`${name} breaks the contract: ${parsed.error.message}`);
    switch (name) {
      case 'heartbeat':
        this.heartbeats.push(parsed.data as Heartbeat);
        return { ok: true, server_time: new Date().toISOString(), next_interval_ms: 500, lease_s: 1800, generation: this.generation };
      case 'inventory':
        this.inventories.push((parsed.data as Payload<'inventory'>).inventory);
        return { ok: true };
      case 'instance_update':
        return this.report(parsed.data as InstanceUpdate);
      case 'task_update':
        this.taskUpdates.push(...(parsed.data as Payload<'task_update'>).updates);
        return { ok: true };
      case 'task_results':
        return this.takeResults(parsed.data as TaskResults);
      case 'goodbye':
        this.takeLeave((parsed.data as Payload<'goodbye'>).reason);
        return { ok: true };
      case 'exec_data':
        this.execFrames.push(parsed.data as ExecData);
        return { ok: true };
    }
  }

  /** Ends what runs on a machine that shuts down. */
  private takeLeave(reason: string): void {
    this.goodbyes.push(reason);
    if (reason === 'host_shutdown') for (const spec of this.instances.values()) void this.stop(spec, { reason, grace_s: 0 });
  }

  /** As the market does: the signature, then each report once; a batch that comes again is answered as before. */
  private takeResults(batch: TaskResults): unknown {
    const nack = this.nacks.shift();
    if (nack) return { ok: false, problem: makeProblem(nack) };
    const key = parsePublicKey(this.publicKey);
    if (!key) throw new Error('no node has enrolled');
    const { root, count, signature, results, seq } = batch;
    const statement = (head: { root: string; count: number }) => resultsStatement({ v: 1, node_id: this.nodeId, seq, ...head });
    const verdict = verifyBatch({ publicKey: key, domain: RESULTS_DOMAIN, leaves: results.map(reportLeaf), statement, root, count, signature });
    const earlier = this.batches.find((one) => one.seq === seq);
    if (verdict !== 'ok' || (earlier && earlier.root !== root)) throw new Error(`a batch is not what it should be: ${verdict}`);
    this.batches.push(batch);
    const outcomes = results.map((report) => {
      const known = this.reports.some((one) => one.execution_id === report.execution_id && one.attempt === report.attempt);
      if (!known) this.reports.push(report);
      return { execution_id: report.execution_id, outcome: known ? 'duplicate' : 'counted' };
    });
    return this.muteResults ? undefined : { ok: true, outcomes };
  }

  private report(update: InstanceUpdate): unknown {
    const nack = this.nacks.shift();
    if (nack) return { ok: false, problem: makeProblem(nack) };
    this.updates.push(update);
    return { ok: true };
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, body: unknown): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url?.startsWith('/files/')) return this.serveFile(request, response);
    if (request.headers.authorization !== `Bearer ${HOST_API_KEY}`) return answer(401, makeProblem('unauthenticated'));
    let text = '';
    for await (const chunk of request) text += String(chunk);
    if (request.url === operations.createEnrolNonce.path) return answer(201, this.freshNonce());
    if (request.url !== operations.enrolNode.path) return answer(404, makeProblem('not_found'));
    const body = operations.enrolNode.body.safeParse(JSON.parse(text));
    if (!body.success) return answer(422, makeProblem('invalid_request', { detail: body.error.message }));
    this.publicKey = body.data.public_key;
    const proven = this.nonces.delete(body.data.nonce) && this.proves(enrolStatement(body.data.nonce, this.publicKey), body.data.signature);
    if (!proven) return answer(403, makeProblem('bad_signature'));
    this.enrolments.push(body.data);
    answer(201, { node_id: this.nodeId, cluster_id: this.clusterId, name: body.data.name ?? 'node', tunnel: this.options.tunnel, lease_s: 1800 });
  }

  private async serveFile(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = decodeURIComponent((request.url ?? '').slice('/files/'.length));
    const target = this.redirects.get(name);
    if (target !== undefined) return void response.writeHead(302, { location: target }).end();
    if (request.method === 'PUT') {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      this.files.set(name, Buffer.concat(parts));
      return void response.writeHead(200).end();
    }
    const file = this.files.get(name);
    if (file) response.writeHead(200, { 'content-length': file.length }).end(file);
    else response.writeHead(404).end();
  }

  /** Orders executions; resolves with the ack. */
  run(...executions: ExecutionSpec[]): Promise<AckOf<'run_tasks'>> {
    return this.send('run_tasks', { executions });
  }

  reportOf({ execution_id, attempt }: ExecutionSpec): ExecutionReport | undefined {
    return this.reports.find((one) => one.execution_id === execution_id && one.attempt === attempt);
  }

  private freshNonce(): { nonce: string; expires_at: string } {
    const nonce = randomBytes(24).toString('base64url');
    this.nonces.add(nonce);
    return { nonce, expires_at: new Date(Date.now() + 120_000).toISOString() };
  }

  private proves(statement: string, signature: string): boolean {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: this.publicKey }, format: 'jwk' });
    return verify(null, Buffer.from(statement), key, Buffer.from(signature, 'base64url'));
  }
}
