import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_PATH } from './command.js';
import type { EngineConfig } from './types.js';

/** Programs an engine needs → the Debian package that has them. */
const HOST_TOOLS = { ip: 'iproute2', ss: 'iproute2', nft: 'nftables', 'mkfs.ext4': 'e2fsprogs', e2fsck: 'e2fsprogs', mount: 'mount', losetup: 'mount', fallocate: 'util-linux' };
const ENGINE_TOOLS = { dockerd: 'docker.io', containerd: 'containerd', 'containerd-shim-runc-v2': 'containerd', runc: 'runc' };

async function isOnPath(tool: string, path: string): Promise<boolean> {
  const files = tool.includes('/') ? [tool] : path.split(':').map((folder) => join(folder, tool));
  const found = await Promise.allSettled(files.map((file) => access(file, constants.X_OK)));
  return found.some((one) => one.status === 'fulfilled');
}

/** What this machine lacks, as `tool (Debian package)`. */
export async function missingTools(config: EngineConfig): Promise<string[]> {
  const engine = config.externalHost === undefined ? ENGINE_TOOLS : {};
  const missing: string[] = [];
  for (const [tool, debianPackage] of Object.entries({ ...HOST_TOOLS, ...engine })) {
    const name = tool === 'dockerd' ? (config.dockerdPath ?? tool) : tool;
    if (!(await isOnPath(name, config.path ?? DEFAULT_PATH))) missing.push(`${name} (${debianPackage})`);
  }
  return missing;
}

export async function requireTools(config: EngineConfig): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the engine needs root: mounts, a bridge and firewall rules are its fence around instances');
  const missing = await missingTools(config);
  if (missing.length > 0) throw new Error(`missing on this machine: ${missing.join(', ')}. On Debian: apt-get install --no-install-recommends docker.io nftables iproute2 e2fsprogs`);
}
