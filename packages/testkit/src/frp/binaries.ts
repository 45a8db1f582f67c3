import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const BUILD_SCRIPT = fileURLToPath(new URL('../../../../infra/frp/build.sh', import.meta.url));
/** A build with an empty cache takes a minute on two cores, several on a busy machine. */
const BUILD_TIMEOUT_MS = 15 * 60_000;

export interface FrpBinaries {
  frps: string;
  frpc: string;
}

/** frps and frpc as `infra/frp/build.sh` finds or builds them. Rejects with the script's own words when it cannot. */
export async function findFrp(): Promise<FrpBinaries> {
  const { stdout } = await promisify(execFile)('bash', [BUILD_SCRIPT], { timeout: BUILD_TIMEOUT_MS });
  const frps = /^FRPS_PATH=(.+)$/m.exec(stdout)?.[1];
  const frpc = /^FRPC_PATH=(.+)$/m.exec(stdout)?.[1];
  if (!frps || !frpc) throw new Error(`infra/frp/build.sh did not say where frps and frpc are: ${stdout}`);
  return { frps, frpc };
}
