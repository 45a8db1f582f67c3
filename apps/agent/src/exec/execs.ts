import { EXEC_LIMITS, type ExecData, type ExecOpen, type ExecPart, type ExecResize, fail, ok, type Result } from '@muster/shared-types';
import type { Logger } from 'pino';
import type { Engine } from '../docker/types.js';
import type { RunningCommand } from '../docker/running-command.js';
import { CommandStream } from './command-stream.js';

export interface ExecsOptions {
  engine: Pick<Engine, 'command'>;
  /** Whether the market wants this instance here, now. */
  isWanted: (rentalId: string) => boolean;
  post: (frame: ExecData) => void;
  log: Logger;
  /** Milliseconds without a word from the market after which a command is ended. */
  silenceMs?: number;
}

const LOOK_EVERY_MS = 5_000;

/**
 * Commands that people run in instances of this node. INVARIANT: none outlives the access of the person who runs it: it ends
 * with the connection to the market, with a market that has forgotten it, and with the instance being wanted here.
 */
export class Execs {
  private readonly streams = new Map<string, CommandStream>();
  /** Being started. Their places are taken; those whose access ended meanwhile are taken off. */
  private readonly starting = new Map<string, string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: ExecsOptions) {}

  get count(): number {
    return this.streams.size;
  }

  /** Resolves when the command runs. */
  async open(open: ExecOpen): Promise<Result<void>> {
    const { stream_id: id, rental_id: rentalId } = open;
    if (this.streams.has(id) || this.starting.has(id)) return fail('action_not_allowed', { detail: 'This stream is open already' });
    if (!this.options.isWanted(rentalId)) return fail('not_found', { detail: 'This node has no such instance' });
    if (this.countOf(rentalId) >= EXEC_LIMITS.streamsPerRental) return fail('rate_limited', { detail: `A rental may have ${EXEC_LIMITS.streamsPerRental} commands running this way at a time` });
    this.starting.set(id, rentalId);
    const started = await this.options.engine.command(rentalId, open);
    if (!this.starting.delete(id) && started.ok) this.kill(started.value);
    else if (started.ok) this.begin(open, started.value);
    return started.ok ? ok(undefined) : fail('action_not_allowed', { detail: started.fault.message.slice(0, 500) });
  }

  /** A frame of the market. One for a stream that is over is dropped. */
  received(frame: ExecData): void {
    const stream = this.streams.get(frame.stream_id);
    if (frame.kind === 'close' && !stream) this.starting.delete(frame.stream_id);
    stream?.received(frame);
  }

  resize({ stream_id: id, cols, rows }: ExecResize): void {
    this.streams.get(id)?.resize(cols, rows);
  }

  /** Ends what runs in instances that are not wanted any more. */
  endUnwanted(): void {
    for (const stream of this.streams.values()) if (!this.options.isWanted(stream.rentalId)) stream.cut('The access to this instance has ended');
    for (const [id, rentalId] of this.starting) if (!this.options.isWanted(rentalId)) this.starting.delete(id);
  }

  /** The connection to the market is lost: nobody is at the other end any more. */
  endAll(): void {
    for (const stream of this.streams.values()) stream.cut('The connection to the market was lost');
    this.starting.clear();
  }

  private begin(open: ExecOpen, command: RunningCommand): void {
    const say = (part: ExecPart): void => this.options.post({ ...part, stream_id: open.stream_id });
    const stream = new CommandStream(open.rental_id, command, say, () => this.ended(open.stream_id));
    this.streams.set(open.stream_id, stream);
    this.timer ??= setInterval(() => this.endSilent(), LOOK_EVERY_MS).unref();
    stream.run().catch((error: unknown) => this.options.log.warn({ err: error, rental_id: open.rental_id }, 'a command was torn off'));
  }

  private ended(id: string): void {
    this.streams.delete(id);
    if (this.streams.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private endSilent(): void {
    const oldest = performance.now() - (this.options.silenceMs ?? EXEC_LIMITS.silenceMs);
    for (const stream of this.streams.values()) if (stream.heardMs < oldest) stream.cut('The market does not know this command any more');
  }

  private countOf(rentalId: string): number {
    const running = [...this.streams.values()].filter((stream) => stream.rentalId === rentalId).length;
    return running + [...this.starting.values()].filter((one) => one === rentalId).length;
  }

  private kill(command: RunningCommand): void {
    command.kill().catch((error: unknown) => this.options.log.warn({ err: error }, 'a command that nobody waits for could not be ended'));
  }
}
