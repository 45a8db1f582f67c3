import { Injectable, type OnModuleInit } from '@nestjs/common';
import { NotificationNews } from '../notifications/news.js';
import { Live } from './live.js';

/** New notifications, to those who look. */
@Injectable()
export class NotificationFeed implements OnModuleInit {
  constructor(
    private readonly news: NotificationNews,
    private readonly live: Live,
  ) {}

  onModuleInit(): void {
    this.news.on((userId, notification) => this.live.publish(['user', userId], 'notification', notification));
  }
}
