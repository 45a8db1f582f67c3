import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { LiveSession } from './support/live-session.js';
import { Market } from './support/market.js';
import { needs, obstacle } from './support/obstacle.js';
import { must, run } from './support/run.js';

const STORY_MS = 300_000;
const goIsHere = await run('go', ['version']).then((ran) => ran.code === 0, () => false);

const Story = z.object({
  ok: z.boolean(),
  steps: z.array(z.object({ step: z.string() }).loose()),
  figures: z.object({ billed_seconds: z.number(), cost_usd: z.string(), total_ms: z.number() }).loose(),
});

describe.skipIf(obstacle !== null)(`the whole story, through the command line${needs}`, () => {
  let market: Market;

  beforeAll(async () => {
    market = await Market.open();
  }, STORY_MS);

  afterAll(async () => {
    await market?.close();
  }, STORY_MS);

  it('muster demo: rent, SSH, scp, rsync, apt, Jupyter, destroy, and a bill of seconds × rate', async () => {
    const { stdout } = await market.must(['demo', '--json'], STORY_MS);
    const story = Story.parse(JSON.parse(stdout));
    expect(story.ok).toBe(true);
    const words = story.steps.map((step) => step.step).join('\n');
    for (const part of ['search', 'rent and reach', 'strict host key checking', 'scp', 'rsync', 'apt-get install', 'refuses without its token', '1+1', 'destroy', 'seconds × rate', 'free again']) {
      expect(words).toContain(part);
    }
    console.log(`    demo: ${JSON.stringify(story.figures)}`);
  }, STORY_MS);

  describe('with a rental of the command line', () => {
    let options: string[];

    beforeAll(async () => {
      await market.must(['search', '--json']);
      await market.must(['rent', '1', '--yes', '--wait', '--json'], STORY_MS);
      await market.must(['ssh-config', '--json']);
      // OpenSSH takes the home folder from the password database, so the person's own file is named.
      options = ['-F', join(String(market.env['HOME']), '.ssh/config'), '-o', 'BatchMode=yes'];
    }, STORY_MS);

    afterAll(async () => {
      await market.must(['destroy', '1', '--json']);
    });

    it('plain ssh knows it by its short name', async () => {
      expect(await must('ssh', [...options, 'muster-1', 'id -u; hostname'])).toMatch(/^0\n/);
    });

    it('muster ssh runs a command and hands on its exit code', async () => {
      expect(await market.cli(['ssh', '1', '--', 'sh', '-c', '"echo hello; exit 7"'])).toMatchObject({ code: 7, stdout: 'hello\n' });
    });

    it('a stopped frpc stalls the session, so its bytes really go that way; it goes on afterwards', async () => {
      const session = await LiveSession.open([...options, 'muster-1']);
      try {
        await market.whileStopped(market.frpcPid(), async () => {
          const before = session.echoes;
          await expect(session.answers(3_000)).rejects.toThrow('waited');
          // At most what had left frpc before it was stopped.
          expect(session.echoes - before).toBeLessThanOrEqual(1);
        });
        await session.answers();
        expect(session.isOpen).toBe(true);
      } finally {
        await session.end();
      }
    });

    it.skipIf(!goIsHere)(`frps and frpc that run are v0.70.1${goIsHere ? '' : ' (needs go)'}`, async () => {
      const pids = [(await market.part('frps')).pid, market.frpcPid()];
      for (const pid of pids) expect(await must('go', ['version', '-m', `/proc/${pid}/exe`])).toMatch(/(mod|dep)\s+github\.com\/fatedier\/frp\s+v0\.70\.1\s/);
    });
  });

  it('a second up says that it runs already', async () => {
    expect(JSON.parse((await market.must(['up', '--json'])).stdout)).toMatchObject({ already_running: true, url: market.url });
  });

  it('keeps no secret in its logs', async () => {
    const { api_key: key } = market.credentials;
    const secrets = await Promise.all(['master-key', 'gate-secret', 'redis-password', 'host-api-key'].map((name) => readFile(join(market.home, 'secrets', name), 'utf8')));
    const logs = await must('sh', ['-c', `cat "${market.home}"/log/*.log`]);
    for (const secret of [key, ...secrets.map((text) => text.trim())]) expect(logs.includes(secret)).toBe(false);
  });
});
