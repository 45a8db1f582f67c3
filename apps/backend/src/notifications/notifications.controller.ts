import { Controller } from '@nestjs/common';
import { notificationOperations as ops, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { countUnread, markRead, notificationsPage } from './notifications.store.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

@Controller()
export class NotificationsController {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  @Operation(ops.listNotifications)
  async list(@Who() who: Principal, @Input() { query }: In<'listNotifications'>): Out<'listNotifications'> {
    const { userId } = userOf(who);
    const [page, unread] = await Promise.all([
      notificationsPage(this.db.client, userId, { cursor: query.cursor, limit: query.limit, unread: query.state === 'unread' }),
      countUnread(this.db.client, userId),
    ]);
    return { ...page, unread };
  }

  @Operation(ops.readNotifications)
  async read(@Who() who: Principal, @Input() { body }: In<'readNotifications'>): Out<'readNotifications'> {
    const { userId } = userOf(who);
    await markRead(this.db.client, userId, body.ids, this.clock.now());
    return { unread: await countUnread(this.db.client, userId) };
  }
}
