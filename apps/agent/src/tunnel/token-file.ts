import { readIfThere, replacePrivateFile } from './private-file.js';

/** The tunnel token where frpc reads it again at every login and heartbeat. Kept over restarts: it outlives the backend's absence. */
export class TokenFile {
  private last: string | undefined;

  constructor(readonly path: string) {}

  async exists(): Promise<boolean> {
    return this.last !== undefined || (await readIfThere(this.path)) !== undefined;
  }

  async replace(jwt: string): Promise<void> {
    if (jwt === this.last) return;
    await replacePrivateFile(this.path, jwt);
    this.last = jwt;
  }
}
