import type { ExecutionSpec } from '@muster/shared-types';
import type Docker from 'dockerode';
import { statusOf } from '../docker/faults.js';
import type { Engine, PullProgress } from '../docker/types.js';
import { jobFault, nodeFault } from './execution-fault.js';
import type { ResolvedImage } from './sandbox.js';

export interface ImageContext {
  engine: Engine;
  docker: Docker;
  maxBytes: number;
  signal: AbortSignal;
  onProgress: (progress: PullProgress) => void;
  /** Removes images that nobody wants; false when there were none. */
  makeRoom: () => Promise<boolean>;
}

const LOCAL_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** What may be asked of the engine at all; whether it is a reference, the engine knows. */
const REFERENCE = /^[a-z0-9][a-zA-Z0-9._/:@-]*$/;
const IMAGE_NAME_LABEL = 'muster.image.name';

/** The image of an execution, pulled if need be. A plain name such as `workspace` is first looked for among this host's own. Throws ExecutionFaultError. */
export async function resolveImage({ docker_image: ref }: ExecutionSpec, context: ImageContext): Promise<ResolvedImage> {
  if (!REFERENCE.test(ref)) throw jobFault('image_missing', `${JSON.stringify(ref)} is not a valid image reference.`);
  const names = LOCAL_NAME.test(ref) ? [`muster/${ref}:latest`, ref] : [ref];
  for (const name of names) {
    const found = await inspect(context.docker, name);
    if (found) return { ref: name, isRentalImage: found.Config?.Labels?.[IMAGE_NAME_LABEL] !== undefined };
  }
  await pull(ref, context);
  return { ref, isRentalImage: false };
}

async function pull(ref: string, context: ImageContext, mayMakeRoom = true): Promise<void> {
  const { engine, maxBytes, signal, onProgress, makeRoom } = context;
  const pulled = await engine.pull(ref, { maxBytes, signal, onProgress });
  if (pulled.ok) return;
  const { code, message } = pulled.fault;
  if (signal.aborted) throw nodeFault('image_missing', `The image ${ref} took too long to come to this host.`);
  if (code === 'disk_full' && mayMakeRoom && (await makeRoom())) return pull(ref, context, false);
  if (code === 'disk_full') throw nodeFault('disk_full', message);
  if (code === 'engine_down') throw nodeFault('engine_down', message);
  throw jobFault(code === 'image_too_large' ? 'image_too_large' : 'image_missing', message);
}

/** Digest by which a registry knows the image, or the engine's own id of one that came as an archive. */
export async function digestOf(docker: Docker, idOrName: string): Promise<string | null> {
  const found = await inspect(docker, idOrName);
  return found?.RepoDigests?.[0]?.split('@')[1] ?? found?.Id ?? null;
}

async function inspect(docker: Docker, ref: string): Promise<Docker.ImageInspectInfo | null> {
  try {
    return await docker.getImage(ref).inspect();
  } catch (error) {
    // 400: not a valid reference, so nothing here bears it; the pull says so in words.
    if (statusOf(error) === 404 || statusOf(error) === 400) return null;
    throw error;
  }
}
