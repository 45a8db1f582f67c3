import { TUNNEL_AUDIENCE } from '@muster/shared-types';

export interface FrpsSettings {
  /** Where nodes log in. */
  bindAddr: string;
  bindPort: number;
  /** Where public ports listen. */
  proxyBindAddr: string;
  firstPort: number;
  lastPort: number;
  adminPort: number;
  adminPassword: string;
  /** The gate's URL as it stands in `iss`; frps exits at start when discovery does not answer there. */
  issuer: string;
  /** `host:port` of the gate. */
  gateAddr: string;
  certPath: string;
  keyPath: string;
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error';
}

/** A JSON string is a TOML basic string. */
const quote = (text: string): string => JSON.stringify(text);

/**
 * frps.toml. Heartbeats are off under tcpMux unless set, and without them an expired token is never noticed. No `Ping`
 * among the plugin's ops: an unanswered one cuts live streams.
 */
export function renderFrpsConfig(settings: FrpsSettings): string {
  return `bindAddr = ${quote(settings.bindAddr)}
bindPort = ${settings.bindPort}
proxyBindAddr = ${quote(settings.proxyBindAddr)}
allowPorts = [{ start = ${settings.firstPort}, end = ${settings.lastPort} }]
maxPortsPerClient = 64
detailedErrorsToClient = false
enablePrometheus = true

log.to = "console"
log.level = ${quote(settings.logLevel)}
log.disablePrintColor = true

auth.method = "oidc"
auth.additionalScopes = ["HeartBeats", "NewWorkConns"]
auth.oidc.issuer = ${quote(settings.issuer)}
auth.oidc.audience = ${quote(TUNNEL_AUDIENCE)}

transport.heartbeatTimeout = 15
transport.tls.force = true
transport.tls.certFile = ${quote(settings.certPath)}
transport.tls.keyFile = ${quote(settings.keyPath)}

webServer.addr = "127.0.0.1"
webServer.port = ${settings.adminPort}
webServer.user = "admin"
webServer.password = ${quote(settings.adminPassword)}

[[httpPlugins]]
name = "muster-gate"
addr = ${quote(settings.gateAddr)}
path = "/handler"
ops = ["Login", "NewProxy", "CloseProxy"]
`;
}
