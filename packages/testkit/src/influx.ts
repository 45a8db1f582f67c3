import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, identify, isRunning, spawnService, stopProcess, waitFor, type ProcessIdentity } from '@muster/local-services';
import { testCacheDir } from './test-postgres-server.js';
import { claimServerDir, removeServerDir } from './test-servers.js';

const BUILD_SCRIPT = fileURLToPath(new URL('../../../infra/test-servers/influxd/build.sh', import.meta.url));
/** A build with an empty cache takes four minutes on two quiet cores, many more on busy ones. */
const BUILD_TIMEOUT_MS = 40 * 60_000;
const LACKS_COMPILERS = 3;
const START_MS = 60_000;

/** A real InfluxDB 2.7 with an organisation and a token, and no data. */
export interface TestInflux {
  url: string;
  token: string;
  org: string;
  /** Ends the server the hard way; its data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** The program, built when it is not at hand; undefined on a machine that cannot build it. Other failures reject with the build's words. */
export async function findInfluxd(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('bash', [BUILD_SCRIPT, testCacheDir()], { timeout: BUILD_TIMEOUT_MS, maxBuffer: 2 ** 26 });
    return stdout.trim();
  } catch (error) {
    if ((error as { code?: unknown }).code === LACKS_COMPILERS) return undefined;
    throw error;
  }
}

/** Starts one on a free loopback port. */
export async function startTestInflux(influxd: string): Promise<TestInflux> {
  const dir = await claimServerDir('influx');
  const data = join(dir, 'data');
  await mkdir(data, { recursive: true });
  const url = `http://127.0.0.1:${await freePort()}`;
  const identity = { org: 'muster', token: 'token-of-tests' };
  let server = await launch(influxd, url, dir);
  await setUp(url, identity);
  return {
    url,
    ...identity,
    kill: async () => {
      await stopProcess(server, [{ signal: 'SIGKILL', graceMs: 10_000 }]);
    },
    restart: async () => {
      server = await launch(influxd, url, dir);
    },
    stop: () => removeServerDir(dir),
  };
}

async function launch(influxd: string, url: string, dir: string): Promise<ProcessIdentity> {
  const data = join(dir, 'data');
  const args = ['--bolt-path', join(data, 'influxd.bolt'), '--sqlite-path', join(data, 'influxd.sqlite'), '--engine-path', join(data, 'engine')];
  const quiet = ['--http-bind-address', new URL(url).host, '--reporting-disabled', '--log-level', 'warn'];
  // A server of tests is found, and ended, by the folder it works in.
  const inItsFolder = ['-c', 'cd "$0" && exec "$@"', data, influxd, ...args, ...quiet];
  const { identity } = await spawnService({ command: '/bin/sh', args: inItsFolder, user: undefined, logFile: join(dir, 'influx.log') });
  await waitFor(async () => ((await isRunning(identity)) ? isReady(url) : Promise.reject(new Error('influxd ended'))), { deadlineMs: START_MS, what: `influxd at ${url}` });
  return (await identify(identity.pid)) ?? identity;
}

async function isReady(url: string): Promise<true | undefined> {
  const answer = await fetch(`${url}/ready`).catch(() => undefined); // it does not listen yet
  return answer?.ok ? true : undefined;
}

async function setUp(url: string, { org, token }: { org: string; token: string }): Promise<void> {
  const body = JSON.stringify({ username: 'tests', password: 'password-of-tests', org, bucket: 'first', token });
  const answer = await fetch(`${url}/api/v2/setup`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  if (!answer.ok) throw new Error(`influxd was not set up: ${answer.status} ${await answer.text()}`);
}
