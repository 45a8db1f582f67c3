import type { Logger } from 'pino';

/** Lines per second at most: anybody on the internet can make frps ask for a Login. */
const LINES_PER_SECOND = 20;

/** Writes one line per refusal and, past the limit, how many were left out. Never writes a token. */
export class RefusalLog {
  private second = 0;
  private lines = 0;
  private omitted = 0;

  constructor(
    private readonly log: Logger,
    private readonly nowMs: () => number,
  ) {}

  write(fields: { op: string; node_id: string; reason: string; proxy?: string; port?: number }): void {
    const second = Math.floor(this.nowMs() / 1000);
    if (second !== this.second) this.turn(second);
    this.lines += 1;
    if (this.lines > LINES_PER_SECOND) this.omitted += 1;
    else this.log.warn(fields, 'refused');
  }

  private turn(second: number): void {
    if (this.omitted > 0) this.log.warn({ omitted: this.omitted }, 'more refusals than are logged');
    this.second = second;
    this.lines = 0;
    this.omitted = 0;
  }
}
