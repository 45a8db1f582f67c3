import { Module } from '@nestjs/common';
import { NotificationsController } from './notifications.controller.js';
import { Notify } from './notify.js';

/** What people are told. */
@Module({ controllers: [NotificationsController], providers: [Notify] })
export class NotificationsModule {}
