import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { type KernelRecord, parseKernelRecord } from './xid.rules.js';

/** Longer than any record; a read with a shorter buffer fails. */
const RECORD_BYTES = 16_384;
const LOOK_EVERY_MS = 1_000;
/** Records of one look; a flood waits for the next. */
const MOST_PER_LOOK = 5_000;

export interface KernelLog {
  stop(): Promise<void>;
}

/**
 * Reads the kernel's log from its beginning and goes on. A read gives one record, and never waits: without one it fails with
 * EAGAIN. EPIPE says that records were overwritten before they were read. Undefined where the log may not be read.
 */
export async function watchKernelLog(onRecord: (record: KernelRecord) => void, path = '/dev/kmsg'): Promise<KernelLog | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined); // no such log, or not for us: the other signs of a fault remain
  if (!handle) return undefined;
  const buffer = Buffer.alloc(RECORD_BYTES);
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    for (let count = 0; count < MOST_PER_LOOK && !stopped; count += 1) {
      const text = await readRecord(handle, buffer);
      if (text === null) break;
      const record = parseKernelRecord(text);
      if (record) onRecord(record);
    }
    if (!stopped) timer = setTimeout(() => (looking = look()), LOOK_EVERY_MS).unref();
  };
  looking = look();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await looking;
      await handle.close();
    },
  };
}

/** Null when there is none left; an empty text for one that was lost. */
async function readRecord(handle: FileHandle, buffer: Buffer): Promise<string | null> {
  try {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
    return bytesRead === 0 ? null : buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPIPE' ? '' : null; // EAGAIN, or a log that is gone: the next look tries again
  }
}
