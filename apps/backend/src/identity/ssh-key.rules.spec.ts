import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseSshPublicKey } from './ssh-key.rules.js';

const dir = mkdtempSync(join(tmpdir(), 'muster-ssh-keys-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Made {
  publicLine: string;
  privateText: string;
  fingerprint: string;
}

/** A key pair by the real ssh-keygen. */
function keygen(name: string, ...args: string[]): Made {
  const file = join(dir, name);
  execFileSync('ssh-keygen', ['-q', '-N', '', '-C', 'somebody@somewhere', '-f', file, ...args]);
  const fingerprint = execFileSync('ssh-keygen', ['-l', '-f', `${file}.pub`]).toString().split(' ')[1] ?? '';
  return { publicLine: readFileSync(`${file}.pub`, 'utf8'), privateText: readFileSync(file, 'utf8'), fingerprint };
}

const string = (value: Buffer | string): Buffer => {
  const bytes = Buffer.from(value as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const line = (type: string, ...parts: (Buffer | string)[]): string => `${type} ${Buffer.concat([type, ...parts].map(string)).toString('base64')} x`;
const blobOf = (publicLine: string): Buffer => Buffer.from(publicLine.split(' ')[1] ?? '', 'base64');
const codeOf = (text: string): string => {
  const result = parseSshPublicKey(text);
  return result.ok ? 'accepted' : result.problem.code;
};

const ed25519 = keygen('ed', '-t', 'ed25519');

describe('keys of the real ssh-keygen', () => {
  it.each([
    ['ed25519', ed25519],
    ['ecdsa 256', keygen('e256', '-t', 'ecdsa', '-b', '256')],
    ['ecdsa 384', keygen('e384', '-t', 'ecdsa', '-b', '384')],
    ['ecdsa 521', keygen('e521', '-t', 'ecdsa', '-b', '521')],
    ['rsa 3072', keygen('r3072', '-t', 'rsa', '-b', '3072')],
  ])('accepts %s, with the fingerprint that ssh-keygen prints', (_name, made) => {
    const result = parseSshPublicKey(made.publicLine);
    expect(result).toMatchObject({ ok: true, value: { fingerprint: made.fingerprint, line: made.publicLine.trim() } });
  });

  it('refuses RSA below 3072 bits', () => {
    expect(codeOf(keygen('r2048', '-t', 'rsa', '-b', '2048').publicLine)).toBe('weak_key');
  });

  it('says that a private key is one', () => {
    const result = parseSshPublicKey(ed25519.privateText);
    expect(result.ok ? '' : result.problem.detail).toMatch(/private key/);
  });

  it('says that a certificate is not a key', () => {
    const ca = join(dir, 'ca');
    execFileSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', ca]);
    execFileSync('ssh-keygen', ['-q', '-s', ca, '-I', 'id', '-n', 'root', join(dir, 'ed.pub')]);
    expect(codeOf(readFileSync(join(dir, 'ed-cert.pub'), 'utf8'))).toBe('invalid_request');
  });
});

const point = blobOf(keygen('e256b', '-t', 'ecdsa', '-b', '256').publicLine).subarray(-65);

describe('keys by hand', () => {
  it('accepts security keys', () => {
    expect(codeOf(line('sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 7), 'ssh:'))).toBe('accepted');
    expect(codeOf(line('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point, 'ssh:'))).toBe('accepted');
  });

  it.each([
    ['DSA', line('ssh-dss', Buffer.alloc(129, 1), Buffer.alloc(21, 1), Buffer.alloc(128, 1), Buffer.alloc(128, 1)), 'weak_key'],
    ['an unknown type', line('ssh-future', Buffer.alloc(32)), 'weak_key'],
    ['RSA with exponent 3', line('ssh-rsa', Buffer.of(3), Buffer.concat([Buffer.of(0), Buffer.alloc(512, 0xff)])), 'weak_key'],
    ['options', `command="id" ${ed25519.publicLine}`, 'invalid_request'],
    ['no-pty', `no-pty ${ed25519.publicLine}`, 'invalid_request'],
    ['restrict,pty', `restrict,pty ${ed25519.publicLine}`, 'invalid_request'],
    ['cert-authority', `cert-authority ${ed25519.publicLine}`, 'invalid_request'],
    ['from=', `from="10.0.0.0/8" ${ed25519.publicLine}`, 'invalid_request'],
    ['two lines', `${ed25519.publicLine}${ed25519.publicLine}`, 'invalid_request'],
    ['a line break hidden in the comment', `${ed25519.publicLine.trim()}\rssh-ed25519 AAAA`, 'invalid_request'],
    ['a short Ed25519 key', line('ssh-ed25519', Buffer.alloc(31)), 'invalid_request'],
    ['bytes after the key', line('ssh-ed25519', Buffer.alloc(32), 'more'), 'invalid_request'],
    ['another type inside', `ssh-rsa ${ed25519.publicLine.split(' ')[1]}`, 'invalid_request'],
    ['a point that is not on the curve', line('ecdsa-sha2-nistp256', 'nistp256', Buffer.concat([Buffer.of(4), Buffer.alloc(64, 9)])), 'invalid_request'],
    ['a curve that is not its own', line('ecdsa-sha2-nistp384', 'nistp256', point), 'invalid_request'],
    ['a security key without application', line('sk-ssh-ed25519@openssh.com', Buffer.alloc(32)), 'invalid_request'],
    ['damaged base64', 'ssh-ed25519 AAAA*BBBB x', 'invalid_request'],
    ['nothing after the type', 'ssh-ed25519', 'invalid_request'],
    ['nothing', '', 'invalid_request'],
  ])('refuses %s', (_name, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('never throws, and lets nothing through that is not one clean line', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), mutated(ed25519.publicLine)), (text) => {
        const result = parseSshPublicKey(text);
        return !result.ok || /^[^\n\r\u0000]+$/.test(result.value.line);
      }),
      { numRuns: 500 },
    );
  });
});

function mutated(text: string): fc.Arbitrary<string> {
  return fc.tuple(fc.nat(text.length), fc.string({ maxLength: 3 })).map(([at, piece]) => text.slice(0, at) + piece + text.slice(at + 1));
}
