import type Docker from 'dockerode';
import type { ContainerInspectInfo } from 'dockerode';
import { containerFileSize, readContainerFile } from './container-file.js';
import { wholeCharacters } from './log-cursor.rules.js';

export interface OwnLog {
  text: string;
  /** Bytes of the file up to here; null when this image writes none. */
  place: number | null;
  /** The file was begun anew since the last look. */
  gap: boolean;
}

export const NO_OWN_LOG: OwnLog = { text: '', place: null, gap: false };

/** The log that an image writes itself (`/var/log/<name>.log`), from `place` on. */
export async function ownLogAfter(docker: Docker, info: ContainerInspectInfo, place: number | null | undefined): Promise<OwnLog> {
  const name = info.Config.Labels['muster.image.name'];
  if (name === undefined || !/^[a-z0-9._-]+$/.test(name)) return NO_OWN_LOG;
  const container = docker.getContainer(info.Id);
  const path = `/var/log/${name}.log`;
  const from = place ?? 0;
  if (from > 0 && (await containerFileSize(container, path).catch(() => 0)) === from) return { ...NO_OWN_LOG, place: from };
  const bytes = await readContainerFile(container, path).catch(() => Buffer.alloc(0));
  const begunAnew = bytes.length < from;
  const fresh = bytes.subarray(begunAnew ? 0 : from);
  const whole = wholeCharacters(fresh);
  return { text: fresh.subarray(0, whole).toString('utf8'), place: bytes.length - fresh.length + whole, gap: begunAnew };
}
