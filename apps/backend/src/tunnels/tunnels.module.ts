import { Global, Module } from '@nestjs/common';
import { SocketModule } from '../agents/socket.module.js';
import { GatePush } from './gate-push.js';
import { TunnelTokens } from './tunnel-token.js';

/** Public ports, tunnel tokens and what the tunnel gates know. Global: rentals and fleet tell it of changes. */
@Global()
@Module({ imports: [SocketModule], providers: [GatePush, TunnelTokens], exports: [GatePush, TunnelTokens] })
export class TunnelsModule {}
