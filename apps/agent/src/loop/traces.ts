import type { Trace } from './status.rules.js';

/** What only this process remembers of each instance. */
export class Traces {
  private readonly byRental = new Map<string, Trace>();

  get view(): ReadonlyMap<string, Trace> {
    return this.byRental;
  }

  of(rentalId: string): Trace {
    const known = this.byRental.get(rentalId);
    if (known) return known;
    const trace: Trace = { progress: null, digest: null, phaseMs: {}, upSince: null, tunnellingMs: null, diskSince: null };
    this.byRental.set(rentalId, trace);
    return trace;
  }

  /** Forgets all but these. */
  keep(rentalIds: ReadonlySet<string>): void {
    for (const id of this.byRental.keys()) if (!rentalIds.has(id)) this.byRental.delete(id);
  }
}
