import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** The renter's key pair and the host key of a rental, made by OpenSSH itself. */
export interface SshKeys {
  folder: string;
  authorizedKey: string;
  hostPrivateKey: string;
  hostPublicKey: string;
}

export async function makeSshKeys(folder: string): Promise<SshKeys> {
  for (const name of ['renter', 'host']) await exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(folder, name)]);
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  return { folder, authorizedKey: (await read('renter.pub')).trim(), hostPrivateKey: await read('host'), hostPublicKey: (await read('host.pub')).trim() };
}

async function argumentsFor(keys: SshKeys, port: number): Promise<string[]> {
  const knownHosts = join(keys.folder, 'known_hosts');
  await writeFile(knownHosts, `[127.0.0.1]:${port} ${keys.hostPublicKey}\n`);
  const options = ['StrictHostKeyChecking=yes', `UserKnownHostsFile=${knownHosts}`, 'GlobalKnownHostsFile=/dev/null', 'BatchMode=yes', 'ConnectTimeout=10', 'IdentitiesOnly=yes'];
  return ['-F', '/dev/null', '-i', join(keys.folder, 'renter'), '-p', String(port), ...options.flatMap((option) => ['-o', option]), 'root@127.0.0.1'];
}

/** Output of a command over SSH; undefined when there is no way in (yet). */
export async function ssh(keys: SshKeys, port: number, ...command: string[]): Promise<string | undefined> {
  return exec('ssh', [...(await argumentsFor(keys, port)), ...command], { timeout: 20_000 }).then((answer) => answer.stdout, () => undefined);
}

/** A session that stays open until somebody ends it. */
export class SshSession {
  output = '';
  private constructor(private readonly process: ChildProcess) {
    process.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  static async open(keys: SshKeys, port: number): Promise<SshSession> {
    return new SshSession(spawn('ssh', [...(await argumentsFor(keys, port)), 'echo in; exec cat'], { stdio: ['pipe', 'pipe', 'ignore'] }));
  }

  get isOpen(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  say(text: string): void {
    this.process.stdin?.write(`${text}\n`);
  }

  close(): void {
    this.process.kill('SIGKILL');
  }
}
