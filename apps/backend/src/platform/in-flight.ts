import type { NextFunction, Request, Response } from 'express';

/** Counts requests that have no answer yet, so that shutdown can wait for them. */
export class InFlight {
  #count = 0;
  #whenEmpty: (() => void) | undefined;

  readonly track = (_request: Request, response: Response, next: NextFunction): void => {
    this.#count += 1;
    response.once('close', () => {
      this.#count -= 1;
      if (this.#count === 0) this.#whenEmpty?.();
    });
    next();
  };

  /** Resolves when no request is open, or after `patienceMs`. */
  async drained(patienceMs: number): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#whenEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
