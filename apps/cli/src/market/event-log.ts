import type { MarketEvent } from './events.js';

type Listener = (event: MarketEvent) => void;

const REMEMBERED = 200;

/** Everything that was told, for whoever comes to follow later. */
export class EventLog {
  private readonly past: MarketEvent[] = [];
  private readonly listeners = new Set<Listener>();

  tell(event: MarketEvent): void {
    this.past.push(event);
    if (this.past.length > REMEMBERED) this.past.shift();
    for (const listener of this.listeners) listener(event);
  }

  /** `replay`: first what was told before. Returns how to leave. */
  follow(listener: Listener, replay: boolean): () => void {
    if (replay) for (const event of this.past) listener(event);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
