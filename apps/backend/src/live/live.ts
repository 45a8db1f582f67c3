import { Injectable, Logger } from '@nestjs/common';
import type { LiveData, LiveEventName, LiveEvents, LiveRoomKind } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Interest } from './interest.js';
import { Ring } from './ring.js';

/** `market`, or the kind and the id of a thing: `['rental', id]`. `user` takes the id of the account. */
export type RoomRef<K extends LiveRoomKind = LiveRoomKind> = K extends 'market' ? readonly ['market'] : readonly [K, string];

type Data<K extends LiveRoomKind, E extends LiveEventName<K>> = LiveData<K, E & keyof LiveEvents[K]>;

/**
 * Tells whoever looks. Nobody waits for it and it never fails: a frame that is lost costs a moment, since what is shown is
 * compared with the database every second (`watch.ts`). Call it after commit.
 */
@Injectable()
export class Live {
  readonly #log = new Logger('Live');

  constructor(
    private readonly ring: Ring,
    private readonly interest: Interest,
    private readonly clock: Clock,
  ) {}

  /** Nobody in the market listens to anything. */
  get isSilent(): boolean {
    return this.interest.isNone;
  }

  /** Whether somebody listens, on whichever replica, or did within the last minute. Costs nothing: ask before making what is worth telling only then. */
  wants(room: RoomRef): boolean {
    return this.interest.in(keyOf(room));
  }

  /** Something happened: told each time. */
  async publish<K extends LiveRoomKind, E extends LiveEventName<K>>(room: RoomRef<K>, event: E, data: Data<K, E>): Promise<void> {
    await this.#send(room, event, data);
  }

  /** How `subject` is now: told when it is not as it was told last. False when it could not be told. */
  async publishState<K extends LiveRoomKind, E extends LiveEventName<K>>(room: RoomRef<K>, event: E, subject: string, data: Data<K, E>): Promise<boolean> {
    return await this.#send(room, event, data, `${event}:${subject}`);
  }

  async #send(room: RoomRef, event: string, data: unknown, subject?: string): Promise<boolean> {
    const publication = { room: keyOf(room), event, at: this.clock.now(), data: JSON.stringify(data), ...(subject === undefined ? {} : { subject }) };
    return await this.ring.publish(publication).then(
      () => true,
      (error: unknown) => {
        this.#log.debug(`a live frame was not told: ${String(error)}`);
        return false;
      },
    );
  }
}

export const keyOf = ([kind, id]: readonly [LiveRoomKind, string?]): string => (id === undefined ? kind : `${kind}:${id}`);
