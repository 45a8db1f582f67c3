import { Injectable } from '@nestjs/common';
import type { NotificationView } from '@muster/shared-types';

/** Somebody who hears of a new notification: whoever keeps sockets of browsers open. */
export type NewsListener = (userId: string, notification: NotificationView) => Promise<void>;

interface Kept extends NotificationView {
  userId: string;
}

/** Carries new notifications to those who listen. Losing one costs time: the list has it. */
@Injectable()
export class NotificationNews {
  readonly #listeners: NewsListener[] = [];

  on(listener: NewsListener): void {
    this.#listeners.push(listener);
  }

  async tell(kept: readonly Kept[]): Promise<void> {
    for (const { userId, ...notification } of kept) await Promise.allSettled(this.#listeners.map((listener) => listener(userId, notification)));
  }
}
