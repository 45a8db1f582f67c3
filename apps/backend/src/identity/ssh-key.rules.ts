import { createHash, createPublicKey } from 'node:crypto';
import { fail, ok, type Result } from '@muster/shared-types';

export interface SshPublicKey {
  type: string;
  /** Canonical line: type, base64, comment. */
  line: string;
  /** `SHA256:…` as OpenSSH prints it. */
  fingerprint: string;
}

/** NIST recommends 3,072 bits or more for use beyond 2030. */
const MIN_RSA_BITS = 3072;
const MAX_RSA_BITS = 16_384;
const CURVES: Record<string, { crv: string; bytes: number }> = {
  nistp256: { crv: 'P-256', bytes: 32 },
  nistp384: { crv: 'P-384', bytes: 48 },
  nistp521: { crv: 'P-521', bytes: 66 },
};
const OPTION = /^(command|environment|from|permit|no-|restrict|cert-authority|principals|tunnel|pty|agent-forwarding|port-forwarding|x11-forwarding|expiry-time|zos-|verify-required|touch-required|user-rc)/i;
const ACCEPTED = 'ed25519, ecdsa (nistp256, 384, 521), their security-key forms (sk-…), and RSA of at least 3072 bits';

type Check = (wire: Wire) => string | undefined;

/** What must stand in the blob after its type. Each returns what is wrong, if anything. */
const CHECKS: Record<string, Check> = {
  'ssh-ed25519': (wire) => ed25519(wire),
  'sk-ssh-ed25519@openssh.com': (wire) => ed25519(wire) ?? application(wire),
  'ecdsa-sha2-nistp256': (wire) => ecdsa(wire, 'nistp256'),
  'ecdsa-sha2-nistp384': (wire) => ecdsa(wire, 'nistp384'),
  'ecdsa-sha2-nistp521': (wire) => ecdsa(wire, 'nistp521'),
  'sk-ecdsa-sha2-nistp256@openssh.com': (wire) => ecdsa(wire, 'nistp256') ?? application(wire),
  'ssh-rsa': rsa,
};

/** Parses one line of an OpenSSH `.pub` file. Fails with `invalid_request` (not a public key) or `weak_key`. */
export function parseSshPublicKey(text: string): Result<SshPublicKey> {
  const line = text.trim();
  if (/PRIVATE KEY/.test(line)) return malformed('This is a private key. Send the public half, the file that ends in .pub; if it left your machine, make a new pair');
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line)) return malformed('must be one line, as in a .pub file');
  const [type = '', base64 = '', ...comment] = line.split(/[ \t]+/);
  if (OPTION.test(type) || type.includes('=') || type.includes('"')) return malformed('must not have options or commands before the key');
  if (type.startsWith('ssh-dss')) return weak('DSA keys are broken');
  if (/-cert-v0\d@openssh\.com$/.test(type)) return malformed('is a certificate; send the plain public key');
  const check = CHECKS[type];
  if (!check) return /^[a-z0-9@.-]+$/i.test(type) && base64 !== '' ? weak(`Keys of type ${type.slice(0, 60)} are not known here`) : malformed('is not an SSH public key (expected: ssh-ed25519 AAAA… comment)');
  return parseBlob(type, base64, comment.join(' ').slice(0, 200), check);
}

function parseBlob(type: string, base64: string, comment: string, check: Check): Result<SshPublicKey> {
  const blob = Buffer.from(base64, 'base64');
  if (blob.length === 0 || blob.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) return malformed('has a damaged key (base64)');
  const wire = new Wire(blob);
  if (wire.string()?.toString('latin1') !== type) return malformed('says one type and holds another');
  const fault = check(wire);
  if (fault?.startsWith('weak: ')) return weak(fault.slice('weak: '.length));
  if (fault !== undefined) return malformed(fault);
  if (!wire.atEnd) return malformed('has bytes after the key');
  const canonical = blob.toString('base64');
  const fingerprint = `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
  return ok({ type, fingerprint, line: [type, canonical, comment].filter((part) => part !== '').join(' ') });
}

const malformed = (message: string) => fail('invalid_request', { detail: `The public key ${message}`, errors: [{ path: 'body.public_key', message }] });
const weak = (detail: string) => fail('weak_key', { detail, hint: `Accepted: ${ACCEPTED}. Make one with: ssh-keygen -t ed25519` });

/** Reads the length-prefixed strings of RFC 4251. */
class Wire {
  #at = 0;
  constructor(private readonly bytes: Buffer) {}

  get atEnd(): boolean {
    return this.#at === this.bytes.length;
  }

  string(): Buffer | undefined {
    if (this.#at + 4 > this.bytes.length) return undefined;
    const end = this.#at + 4 + this.bytes.readUInt32BE(this.#at);
    if (end > this.bytes.length) return undefined;
    const value = this.bytes.subarray(this.#at + 4, end);
    this.#at = end;
    return value;
  }
}

function ed25519(wire: Wire): string | undefined {
  return wire.string()?.length === 32 ? undefined : 'has an Ed25519 key of the wrong length';
}

function application(wire: Wire): string | undefined {
  const name = wire.string();
  return name && name.length > 0 && name.length <= 256 ? undefined : 'lacks the application of its security key';
}

function ecdsa(wire: Wire, curve: string): string | undefined {
  const known = CURVES[curve];
  if (!known || wire.string()?.toString('latin1') !== curve) return 'names another curve than its type';
  const point = wire.string();
  if (point?.[0] !== 4 || point.length !== 1 + 2 * known.bytes) return 'has a point of the wrong form';
  const x = point.subarray(1, 1 + known.bytes).toString('base64url');
  const y = point.subarray(1 + known.bytes).toString('base64url');
  return isOnCurve({ kty: 'EC', crv: known.crv, x, y }) ? undefined : 'has a point that is not on its curve';
}

function isOnCurve(jwk: { kty: string; crv: string; x: string; y: string }): boolean {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' }).type === 'public';
  } catch {
    // Node says an invalid point by throwing; the answer to the question is no.
    return false;
  }
}

function rsa(wire: Wire): string | undefined {
  const exponent = integer(wire.string());
  const modulus = integer(wire.string());
  if (exponent === undefined || modulus === undefined) return 'has a damaged RSA key';
  const bits = modulus.toString(2).length;
  if (bits < MIN_RSA_BITS) return `weak: RSA keys need at least ${MIN_RSA_BITS} bits; this one has ${bits}`;
  if (bits > MAX_RSA_BITS) return `weak: RSA keys may have at most ${MAX_RSA_BITS} bits`;
  if (exponent < 65_537n || exponent % 2n === 0n || exponent.toString(2).length > 64) return 'weak: this RSA exponent is not safe (65537 is usual)';
  return modulus % 2n === 0n ? 'has an even RSA modulus' : undefined;
}

/** A positive mpint. */
function integer(bytes: Buffer | undefined): bigint | undefined {
  if (!bytes || bytes.length === 0 || (bytes[0] ?? 0) >= 0x80) return undefined;
  return BigInt(`0x${bytes.toString('hex')}`);
}
