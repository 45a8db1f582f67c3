export { delay, waitFor, type WaitOptions } from './wait-for.js';
export { freePort, isPortFree } from './ports.js';
export { identify, isRunning, processesIn, sharesPidNamespace, signalProcess, stopProcess, type ProcessIdentity, type StopStep } from './process-identity.js';
export { makeTraversable, SERVICE_USERS, serviceUser, type UnixUser } from './unix-user.js';
export { adoptService, spawnService, type ServiceCommand, type ServiceExit, type ServiceProcess } from './service-process.js';
export { preparePostgresBinaries, type PostgresBinaries } from './postgres-binaries.js';
export { startPostgres, type PostgresOptions, type RunningPostgres } from './postgres.js';
export { startRedis, type RedisOptions, type RunningRedis } from './redis.js';
