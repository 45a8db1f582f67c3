import { Global, Module } from '@nestjs/common';
import { NotificationNews } from './news.js';
import { NotificationsController } from './notifications.controller.js';
import { Notify } from './notify.js';

/** What people are told. Global: the sockets of browsers listen to `NotificationNews`. */
@Global()
@Module({ controllers: [NotificationsController], providers: [NotificationNews, Notify], exports: [NotificationNews] })
export class NotificationsModule {}
