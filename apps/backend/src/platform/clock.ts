import { Injectable } from '@nestjs/common';

/** The only source of the present in the backend; tests put a fake one in its place. */
@Injectable()
export class Clock {
  now(): Date {
    return new Date();
  }
}

/** A clock that stands still until it is told to move. */
@Injectable()
export class FakeClock extends Clock {
  #at: number;

  constructor(start: Date = new Date()) {
    super();
    this.#at = start.getTime();
  }

  override now(): Date {
    return new Date(this.#at);
  }

  advance(ms: number): void {
    this.#at += ms;
  }

  set(at: Date): void {
    this.#at = at.getTime();
  }
}
