import type Docker from 'dockerode';
import { FaultError } from './faults.js';
import { FrameReader } from './frames.rules.js';

const MAX_OUTPUT_BYTES = 256 * 1024;

/** Runs a command inside a container to its end; both streams as one text, cut at 256 KiB. */
export async function runInside(container: Docker.Container, command: readonly string[], timeoutMs: number): Promise<{ exitCode: number; output: string }> {
  const exec = await container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({ hijack: true, stdin: false });
  const timer = setTimeout(() => stream.destroy(new FaultError('internal', `The command did not end within ${timeoutMs / 1000} s.`)), timeoutMs);
  try {
    const output = await collect(stream as AsyncIterable<Buffer>);
    return { exitCode: (await exec.inspect()).ExitCode ?? -1, output };
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
}

async function collect(stream: AsyncIterable<Buffer>): Promise<string> {
  const frames = new FrameReader();
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    for (const part of frames.read(chunk)) {
      if (size < MAX_OUTPUT_BYTES) parts.push(part);
      size += part.length;
    }
  }
  return Buffer.concat(parts).subarray(0, MAX_OUTPUT_BYTES).toString('utf8');
}
