import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MarketClient } from '@muster/client';
import { freePort, preparePostgresBinaries } from '@muster/local-services';
import { findInfluxd, testCacheDir } from '@muster/testkit';
import { freePortRange } from '@muster/testkit/frp/free-ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { findCaches, REPOSITORY } from './support/caches.js';
import { obstacle } from './support/obstacle.js';
import { PlainEngine } from './support/plain-engine.js';
import { must } from './support/run.js';
import { until } from './support/until.js';

const BUILD_MS = 30 * 60_000;
const UP_MS = 300_000;
const Bootstrapped = z.object({ account: z.object({ email: z.string() }), secrets: z.object({ password: z.string(), api_key: z.string() }) });

const isLong = process.env['MUSTER_TEST_LONG'] !== undefined;
const influxd = obstacle === null && isLong ? await findInfluxd() : undefined;
const missing = obstacle ?? (isLong ? null : 'needs MUSTER_TEST_LONG=1: it builds every image') ?? (influxd === undefined ? 'needs influxd, which MUSTER_TEST_LONG=1 builds with Go and cargo' : null);

/**
 * The images are really built and really run together as docker-compose.yml says. What their Dockerfiles begin with is a
 * stand-in made here, since no registry is asked; so are the images of Postgres, Redis and InfluxDB, around real servers.
 */
describe.skipIf(missing !== null)(`docker compose up${missing === null ? '' : ` (${missing})`}`, () => {
  const project = `muster-test-${process.pid}`;
  let engine: PlainEngine;
  let work: string;
  let env: NodeJS.ProcessEnv;
  let ports: { web: number; api: number };

  const compose = (args: readonly string[], withinMs = UP_MS): Promise<string> =>
    must('docker-compose', ['--project-directory', REPOSITORY, '-f', join(REPOSITORY, 'docker-compose.yml'), '--env-file', join(work, 'env'), '-p', project, ...args], { env, withinMs });
  const build = (target: string): Promise<string> =>
    must('docker', ['build', '--quiet', '--network', 'host', '-f', join(REPOSITORY, 'infra/docker/Dockerfile'), '--target', target, '-t', `muster-${target}`, REPOSITORY], { env, withinMs: BUILD_MS });

  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'muster-compose-'));
    engine = await PlainEngine.start();
    env = { ...process.env, DOCKER_HOST: engine.host, DOCKER_BUILDKIT: '0' };
    await makeStandIns();
    await writeEnvironment();
  }, BUILD_MS);

  afterAll(async () => {
    if (env) await compose(['down', '--volumes', '--timeout', '3']).catch((error: unknown) => console.error(error));
    await engine?.stop();
    if (work) await rm(work, { recursive: true, force: true });
  }, UP_MS);

  async function makeStandIns(): Promise<void> {
    const { frp, imagesDir } = await findCaches();
    const [tar] = (await must('bash', ['-c', `ls -t ${imagesDir}/workspace-*.tar`])).trim().split('\n');
    const { postgres } = await preparePostgresBinaries(testCacheDir());
    const parts = { WORKSPACE_TAR: tar, FRPS_PATH: frp.frps, FRPC_PATH: frp.frpc, POSTGRES_HOME: dirname(dirname(postgres)), INFLUXD_PATH: influxd };
    await must('bash', [join(REPOSITORY, 'infra/test-servers/images/make.sh'), work], { env: { ...env, ...parts }, withinMs: BUILD_MS });
  }

  /** As a person makes it, with ports that are free on this machine. */
  async function writeEnvironment(): Promise<void> {
    ports = { web: await freePort(), api: await freePort() };
    const [frps, first] = [await freePort(), await freePortRange(4)];
    await must('bash', ['-c', `${join(REPOSITORY, 'infra/docker/make-env.sh')} > ${join(work, 'env')}`]);
    const lines = {
      MUSTER_API_PORT: ports.api, MUSTER_WEB_PORT: ports.web, MUSTER_TUNNEL_FRPS_PORT: frps, MUSTER_TUNNEL_FIRST_PORT: first, MUSTER_TUNNEL_LAST_PORT: first + 3,
      MUSTER_PUBLIC_URL: `http://localhost:${ports.api}`, MUSTER_WEB_URL: `http://localhost:${ports.web}`,
    };
    await appendFile(join(work, 'env'), Object.entries(lines).map(([name, value]) => `${name}=${value}\n`).join(''));
  }

  it('every image is built', { timeout: BUILD_MS }, async () => {
    for (const target of ['backend', 'web', 'tunnel', 'agent']) await build(target);
    const users = await Promise.all(['backend', 'web', 'tunnel'].map((target) => must('docker', ['run', '--rm', '--network', 'none', '--entrypoint', 'id', `muster-${target}`, '-u'], { env })));
    expect(users.map((user) => user.trim())).toEqual(['10001', '10001', '10001']);
    expect(await must('docker', ['run', '--rm', '--network', 'none', 'muster-agent', 'node', 'dist/main.js', '--help'], { env })).toContain('muster-agent');
  });

  it('no image holds a secret of this machine', async () => {
    const inside = await must('docker', ['run', '--rm', '--network', 'none', '--entrypoint', 'sh', 'muster-backend', '-c', 'ls -A /opt/muster; env'], { env });
    expect(inside).not.toMatch(/^\.env$|_KEY=|_SECRET=|PASSWORD=/m);
  });

  it('they run together as the file says: web, API, gate, frps and InfluxDB', { timeout: UP_MS }, async () => {
    await compose(['up', '--detach', '--no-build']);
    await until('the web app', async () => (await fetch(`http://localhost:${ports.web}/healthz`)).ok, UP_MS);
    expect(await (await fetch(`http://localhost:${ports.api}/ready`)).json()).toMatchObject({ status: 'ready' });
    await until('frps behind its gate', async () => (await compose(['logs', '--no-color', 'frps'])).includes('frps started successfully'));
    expect(await compose(['logs', '--no-color', 'gate'])).toContain('connected to the backend');
  });

  it('an operator is made, and reaches the same market through the API and through the web app', async () => {
    const printed = await compose(['run', '--rm', '-T', 'bootstrap', '--email', 'operator@example.com']);
    const { secrets } = Bootstrapped.parse(JSON.parse(printed.trim().split('\n').at(-1) ?? ''));
    const [direct, forwarded] = await Promise.all(
      [ports.api, ports.web].map((port) => new MarketClient({ url: `http://localhost:${port}`, token: secrets.api_key }).call('searchOffers', {})),
    );
    expect(direct).toMatchObject({ items: [] });
    expect(forwarded).toEqual(direct);
    expect((await compose(['logs', '--no-color'])).includes(secrets.api_key)).toBe(false);
  });

  it('goes down and leaves nothing', { timeout: UP_MS }, async () => {
    await compose(['down', '--volumes', '--timeout', '10']);
    const left = await Promise.all([['ps', '-aq'], ['volume', 'ls', '-q'], ['network', 'ls', '-q', '--filter', 'type=custom']].map((args) => must('docker', args, { env })));
    expect(left.join('').trim()).toBe('');
  });
});
