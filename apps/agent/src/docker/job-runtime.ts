import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JOB_LIMITS } from '@muster/shared-types';
import { run } from './command.js';
import type { EnginePaths } from './engine-paths.js';

/** Names of the runtimes in our engine: the usual one, and gVisor where the host has it. */
export const JOB_RUNTIMES = { default: 'muster-job', gvisor: 'muster-job-gvisor' } as const;

/** What is kept of standard error, or of both streams when the result is a folder: the last bytes. */
export const LOG_TAIL_BYTES = JOB_LIMITS.logChars;
/** One byte more than a result may have shows that there was more. */
export const RESULT_CAPTURE_BYTES = JOB_LIMITS.resultBytes + 1;

/**
 * Files of one execution's output below `EnginePaths.jobIo/<container id>`: pipes that the container writes to, and what
 * came out of them. `out` and `err` appear when the last writer is gone, whole.
 */
export const OUTPUT_FILES = { outPipe: 'out.pipe', errPipe: 'err.pipe', outSoFar: 'out.part', out: 'out', err: 'err' } as const;

/**
 * An OCI runtime in front of the real one that gives a container of ours its output pipes. Their readers are children of
 * the container's shim: neither agent nor dockerd is in the way of a byte, so a kill of either loses none, a flood costs
 * them nothing, and no log driver changes what was written. `head` ends past the limit, whereupon the container's next
 * write fails; `tail` keeps the last bytes however many there are. Containers without a folder here run as ever.
 */
export function jobRuntimeScript(ioFolder: string, runtime: string): string {
  const { outPipe, errPipe, outSoFar, out, err } = OUTPUT_FILES;
  return `#!/bin/sh
# Made by the agent at every start.
creates=
for word; do
  [ "$word" = create ] && creates=1
  id=$word
done
io='${ioFolder}'/$id
if [ -n "$creates" ] && [ -p "$io/${errPipe}" ]; then
  (tail -c ${LOG_TAIL_BYTES} <"$io/${errPipe}" >"$io/${err}.part"; mv "$io/${err}.part" "$io/${err}") </dev/null >/dev/null 2>&1 &
  if [ -p "$io/${outPipe}" ]; then
    (head -c ${RESULT_CAPTURE_BYTES} <"$io/${outPipe}" >"$io/${outSoFar}"; mv "$io/${outSoFar}" "$io/${out}") </dev/null >/dev/null 2>&1 &
    exec ${runtime} "$@" >"$io/${outPipe}" 2>"$io/${errPipe}"
  fi
  exec ${runtime} "$@" >"$io/${errPipe}" 2>&1
fi
exec ${runtime} "$@"
`;
}

/** Its own network stack cannot enter a network namespace that belongs to a user namespace: it runs without one. */
const GVISOR = 'runsc --network=none';

export const hasGvisor = async (path: string | undefined): Promise<boolean> => (await run('runsc', ['--version'], { path })).code === 0;

/** Writes the scripts and says under which names the engine is to know them. */
export async function writeJobRuntimes(paths: EnginePaths, path: string | undefined): Promise<Record<string, { path: string }>> {
  await mkdir(paths.jobIo, { recursive: true, mode: 0o700 });
  const runtimes = { [JOB_RUNTIMES.default]: 'runc', ...((await hasGvisor(path)) && { [JOB_RUNTIMES.gvisor]: GVISOR }) };
  const made = Object.entries(runtimes).map(async ([name, runtime]): Promise<[string, { path: string }]> => {
    const file = join(paths.engineDir, name);
    await replaceScript(file, jobRuntimeScript(paths.jobIo, runtime));
    return [name, { path: file }];
  });
  return Object.fromEntries(await Promise.all(made));
}

async function replaceScript(file: string, text: string): Promise<void> {
  await writeFile(`${file}.part`, text);
  await chmod(`${file}.part`, 0o700);
  await rename(`${file}.part`, file);
}
