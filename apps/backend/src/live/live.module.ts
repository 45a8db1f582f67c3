import { Global, Module } from '@nestjs/common';
import { SocketModule } from '../agents/socket.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { LiveAccess } from './access.js';
import { AgentNews } from './agent-news.js';
import { LiveDispatch } from './dispatch.gateway.js';
import { ExecStreams } from './exec-streams.js';
import { Interest } from './interest.js';
import { LiveController } from './live.controller.js';
import { LiveGateway } from './live.gateway.js';
import { LiveHandlers } from './live.handlers.js';
import { LiveEntry } from './live-entry.gateway.js';
import { Live } from './live.js';
import { Ring } from './ring.js';
import { Rooms } from './rooms.js';
import { Tickets } from './tickets.js';
import { Watch } from './watch.js';

/** The socket of people. Global: whoever has something to tell uses `Live`, whoever changed something `Watch.hint`. */
@Global()
@Module({
  imports: [IdentityModule, SocketModule],
  controllers: [LiveController],
  providers: [AgentNews, ExecStreams, Interest, Live, LiveAccess, LiveDispatch, LiveEntry, LiveGateway, LiveHandlers, Ring, Rooms, Tickets, Watch],
  exports: [AgentNews, Live, Watch],
})
export class LiveModule {}
