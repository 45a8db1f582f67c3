import { Global, Module } from '@nestjs/common';
import { IdentityModule } from '../identity/identity.module.js';
import { AgentEntry } from './agent-entry.gateway.js';
import { AgentGateway } from './agent.gateway.js';
import { Handlers } from './agent.handlers.js';
import { AgentSockets } from './agent-sockets.js';
import { ClusterId } from './cluster-id.js';
import { Connects } from './connects.store.js';
import { ControlOutage } from './control-outage.js';
import { DesiredStates } from './desired-state.js';
import { Dispatch } from './dispatch.gateway.js';
import { NodePush } from './node-push.js';
import { NodeStreams } from './node-streams.js';
import { Prove } from './prove.js';
import { SocketModule } from './socket.module.js';
import { Upkeep } from './upkeep.js';

/** The agents' sockets. Global: whoever changes what a node should run tells it through `NodePush`. */
@Global()
@Module({
  imports: [IdentityModule, SocketModule],
  providers: [AgentEntry, AgentGateway, AgentSockets, ClusterId, Connects, ControlOutage, DesiredStates, Dispatch, Handlers, NodePush, NodeStreams, Prove, Upkeep],
  exports: [ClusterId, ControlOutage, NodePush, NodeStreams],
})
export class AgentsModule {}
