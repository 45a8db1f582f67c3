import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, spawnService, waitFor } from '@muster/local-services';
import { testCacheDir } from './test-postgres-server.js';
import { claimServerDir, removeServerDir } from './test-servers.js';

const BUILD_SCRIPT = fileURLToPath(new URL('../../../infra/test-servers/versitygw/build.sh', import.meta.url));
/** A build with an empty cache takes a minute on two cores, several on a busy machine. */
const BUILD_TIMEOUT_MS = 15 * 60_000;
const NO_GO = 3;

/** A real S3 server (versitygw) with one bucket. */
export interface TestS3 {
  endpoint: string;
  region: string;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
  stop(): Promise<void>;
}

/** The program, built when it is not at hand; undefined on a machine that cannot build it. Other failures reject with the build's words. */
export async function findVersitygw(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('bash', [BUILD_SCRIPT, testCacheDir()], { timeout: BUILD_TIMEOUT_MS });
    return stdout.trim();
  } catch (error) {
    if ((error as { code?: unknown }).code === NO_GO) return undefined;
    throw error;
  }
}

/** Starts one on a free loopback port, with an empty bucket. */
export async function startTestS3(versitygw: string): Promise<TestS3> {
  const dir = await claimServerDir('s3');
  const data = join(dir, 'data');
  const bucket = 'muster-test';
  // A folder of its root is a bucket.
  await mkdir(join(data, bucket), { recursive: true });
  const port = await freePort();
  const keys = { accessKeyId: 'test-access', secretAccessKey: 'test-secret' };
  const args = ['--port', `127.0.0.1:${port}`, '--access', keys.accessKeyId, '--secret', keys.secretAccessKey, '--quiet', 'posix', data];
  await spawnService({ command: versitygw, args, user: undefined, logFile: join(dir, 's3.log') });
  await waitFor(() => accepts(port), { deadlineMs: 15_000, what: `versitygw on 127.0.0.1:${port}` });
  return { endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', bucket, ...keys, stop: () => removeServerDir(dir) };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(() => resolve(true)));
    socket.once('error', reject);
  });
}
