import { identify } from '@muster/local-services';
import { must, run } from './run.js';

const NAME = /^muster-t(\d+):[^:]*:(\d+):(\d+):/;

/** A real Unix user of this machine, without a home folder, for as long as a test lasts. */
export interface UnixUser {
  name: string;
  uid: number;
  gid: number;
  remove(): Promise<void>;
}

/** Its name holds our process id, so that the next run removes what a killed one left. */
export async function unixUser(): Promise<UnixUser> {
  await reapOrphans();
  const name = `muster-t${process.pid}`;
  await must('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/bin/sh', name]);
  const [, , uid, gid] = NAME.exec(await must('getent', ['passwd', name])) ?? [];
  return { name, uid: Number(uid), gid: Number(gid), remove: async () => void (await must('userdel', [name])) };
}

async function reapOrphans(): Promise<void> {
  for (const line of (await must('getent', ['passwd'])).split('\n')) {
    const pid = Number(NAME.exec(line)?.[1]);
    if (pid > 0 && !(await identify(pid))) await run('userdel', [line.split(':')[0] ?? '']);
  }
}
