import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import { createPrivateKey, webcrypto, X509Certificate as NodeCertificate } from 'node:crypto';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509';
import { TUNNEL_TLS_NAME } from '@muster/shared-types';
import { writeAtomic } from './atomic-file.js';

cryptoProvider.set(webcrypto);

const DAY_MS = 86_400_000;
const CA_LIFE_DAYS = 3650;
const SERVER_LIFE_DAYS = 730;
/** A server certificate with less life than this is replaced at the next start; agents trust the CA and notice nothing. */
const RENEW_BEFORE_DAYS = 90;
const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface CertificateFiles {
  caPath: string;
  certPath: string;
  keyPath: string;
}

/**
 * Makes the CA once and the server certificate when it is missing or old. The CA travels to agents with enrolment, so
 * a new CA would cut every node off: one that exists but cannot be read is an error, never replaced.
 */
export async function ensureCertificates(folder: string, now: Date): Promise<CertificateFiles> {
  const files = { caPath: join(folder, 'ca.crt'), certPath: join(folder, 'server.crt'), keyPath: join(folder, 'server.key') };
  const ca = (await readCa(folder)) ?? (await makeCa(folder, now));
  if (!(await isGood(files, ca.certificate, now))) await makeServer(files, ca, now);
  return files;
}

interface Ca {
  certificate: X509Certificate;
  key: webcrypto.CryptoKey;
}

async function readCa(folder: string): Promise<Ca | undefined> {
  const keyPem = await readOptional(join(folder, 'ca.key'));
  const certPem = await readOptional(join(folder, 'ca.crt'));
  if (keyPem === undefined && certPem === undefined) return undefined;
  if (keyPem === undefined || certPem === undefined) throw new Error(`${folder} holds only one half of the CA (ca.crt, ca.key)`);
  return { certificate: new X509Certificate(certPem), key: await importKey(keyPem) };
}

async function makeCa(folder: string, now: Date): Promise<Ca> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Muster tunnel CA',
    ...validity(now, CA_LIFE_DAYS),
    signingAlgorithm: KEY,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  await writeAtomic(join(folder, 'ca.key'), await exportKey(keys.privateKey));
  await writeAtomic(join(folder, 'ca.crt'), certificate.toString('pem'), 0o644);
  return { certificate, key: keys.privateKey };
}

async function makeServer(files: CertificateFiles, ca: Ca, now: Date): Promise<void> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${TUNNEL_TLS_NAME}`,
    issuer: ca.certificate.subject,
    ...validity(now, SERVER_LIFE_DAYS),
    signingAlgorithm: KEY,
    signingKey: ca.key,
    publicKey: keys.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([{ type: 'dns', value: TUNNEL_TLS_NAME }]),
    ],
  });
  await writeAtomic(files.keyPath, await exportKey(keys.privateKey));
  await writeAtomic(files.certPath, certificate.toString('pem'), 0o644);
}

async function isGood(files: CertificateFiles, ca: X509Certificate, now: Date): Promise<boolean> {
  const pem = await readOptional(files.certPath);
  const key = await readOptional(files.keyPath);
  if (pem === undefined || key === undefined) return false;
  const certificate = new X509Certificate(pem);
  if (certificate.notAfter.getTime() - now.getTime() < RENEW_BEFORE_DAYS * DAY_MS) return false;
  // The pair is written as two files; a crash between them leaves a key that does not fit.
  return fits(pem, key) && certificate.verify({ publicKey: ca, signatureOnly: true });
}

const fits = (pem: string, keyPem: string): boolean => new NodeCertificate(pem).checkPrivateKey(createPrivateKey(keyPem));

/** Starts a day early: the clocks of strangers' machines are wrong now and then. */
const validity = (now: Date, days: number): { notBefore: Date; notAfter: Date; serialNumber: string } => ({
  notBefore: new Date(now.getTime() - DAY_MS),
  notAfter: new Date(now.getTime() + days * DAY_MS),
  serialNumber: `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`,
});

const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);

const exportKey = async (key: webcrypto.CryptoKey): Promise<string> =>
  PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), PemConverter.PrivateKeyTag);

const importKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), KEY, true, ['sign']);

async function readOptional(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
