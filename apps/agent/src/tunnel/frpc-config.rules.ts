import { TUNNEL_TLS_NAME } from '@muster/shared-types';

export interface FrpcSettings {
  nodeId: string;
  serverAddr: string;
  serverPort: number;
  caPath: string;
  tokenPath: string;
  storePath: string;
  logPath: string;
  adminPort: number;
  adminPassword: string;
}

export const ADMIN_USER = 'agent';

/** A JSON string is a TOML basic string. */
const quote = (text: string): string => JSON.stringify(text);

/**
 * frpc.toml. `user` and `clientID` are the node id, so frps keeps the node to one session. Heartbeats are off under
 * tcpMux unless set. Without `trustedCaFile` frpc would take any server for ours. At log level info frpc
 * writes two lines for every call of its admin API, several per second.
 */
export function renderFrpcConfig(settings: FrpcSettings): string {
  return `user = ${quote(settings.nodeId)}
clientID = ${quote(settings.nodeId)}
serverAddr = ${quote(settings.serverAddr)}
serverPort = ${settings.serverPort}
loginFailExit = false

log.to = ${quote(settings.logPath)}
log.level = "warn"
log.maxDays = 3
log.disablePrintColor = true

auth.method = "oidc"
auth.additionalScopes = ["HeartBeats", "NewWorkConns"]
auth.oidc.tokenSource.type = "file"
auth.oidc.tokenSource.file.path = ${quote(settings.tokenPath)}

transport.protocol = "tcp"
transport.wireProtocol = "v2"
transport.poolCount = 2
transport.heartbeatInterval = 5
transport.heartbeatTimeout = 15
transport.tls.enable = true
transport.tls.trustedCaFile = ${quote(settings.caPath)}
transport.tls.serverName = ${quote(TUNNEL_TLS_NAME)}

webServer.addr = "127.0.0.1"
webServer.port = ${settings.adminPort}
webServer.user = ${quote(ADMIN_USER)}
webServer.password = ${quote(settings.adminPassword)}

[store]
path = ${quote(settings.storePath)}
`;
}
