import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Result } from '@muster/shared-types';
import { isFolder, isKey } from './key.rules.js';
import { Meter, refusedOr } from './meter.js';
import { Storage, type ByteRange, type PutOptions, type SignedPut, type SignedPutOptions, type Stored, type Written } from './storage.port.js';

export interface S3StorageOptions {
  /** Base URL that nodes reach too, since they fetch and put by signed links. */
  endpoint: string;
  region: string;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** S3 takes parts of at least 5 MiB, and 10,000 of them: 80 GiB. */
const PART_BYTES = 8 * 1024 * 1024;
/** A write that was broken off by a crash is removed after this long. */
const ABANDONED_MS = 24 * 3_600_000;
const CHECKSUM = 'x-amz-checksum-sha256';
/** Longest life of a presigned link in S3. */
const MAX_TTL_S = 7 * 86_400;

/** Objects in a bucket of anything that speaks S3. The bucket is the operator's to make. */
export class S3Storage extends Storage {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(options: S3StorageOptions) {
    super();
    const { endpoint, region, accessKeyId, secretAccessKey } = options;
    this.#bucket = options.bucket;
    // Checksums that nobody asked for would have to be sent by whoever follows a presigned link.
    this.#client = new S3Client({
      endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<Result<Written>> {
    const target = this.#object(key);
    return refusedOr(async () => {
      const meter = new Meter(options);
      const parts = inParts(meter.through(body), PART_BYTES);
      const first = (await parts.next()).value ?? new Uint8Array();
      return first.length < PART_BYTES ? await this.#putWhole(target, first, meter) : await this.#putParts(target, first, parts, meter);
    });
  }

  async #putWhole(target: S3Object, body: Uint8Array, meter: Meter): Promise<Result<Written>> {
    const result = meter.result();
    if (result.ok) await this.#client.send(new PutObjectCommand({ ...target, Body: body, ContentLength: body.length }));
    return result;
  }

  /** Nothing stands under the key before all parts are there and have the right hash. */
  async #putParts(target: S3Object, first: Uint8Array, rest: AsyncIterable<Uint8Array>, meter: Meter): Promise<Result<Written>> {
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(target));
    const upload = { ...target, UploadId };
    let completed = false;
    try {
      const done = [await this.#part(upload, 1, first)];
      for await (const part of rest) done.push(await this.#part(upload, done.length + 1, part));
      const result = meter.result();
      if (result.ok) await this.#client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: done } }));
      completed = result.ok;
      return result;
    } finally {
      if (!completed) await this.#client.send(new AbortMultipartUploadCommand(upload));
    }
  }

  async #part(upload: S3Object & { UploadId: string | undefined }, number: number, body: Uint8Array): Promise<CompletedPart> {
    const { ETag } = await this.#client.send(new UploadPartCommand({ ...upload, PartNumber: number, Body: body, ContentLength: body.length }));
    return { PartNumber: number, ...(ETag === undefined ? {} : { ETag }) };
  }

  async get(key: string, range?: ByteRange): Promise<Stored | undefined> {
    const Range = range ? { Range: `bytes=${range.first}-${range.last}` } : {};
    const found = await this.#client.send(new GetObjectCommand({ ...this.#object(key), ...Range })).catch(absent);
    if (!found?.Body) return undefined;
    const whole = /\/(\d+)$/.exec(found.ContentRange ?? '')?.[1];
    // In Node the body is a Readable; the SDK's type also names what browsers get.
    return { size: Number(whole ?? found.ContentLength ?? 0), body: found.Body as Readable };
  }

  async stat(key: string): Promise<number | undefined> {
    const found = await this.#client.send(new HeadObjectCommand(this.#object(key))).catch(absent);
    return found && (found.ContentLength ?? 0);
  }

  async delete(keyOrFolder: string): Promise<void> {
    if (!isFolder(keyOrFolder)) return void (await this.#client.send(new DeleteObjectCommand(this.#object(keyOrFolder))).catch(absent));
    for (;;) {
      const page = await this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: keyOrFolder, MaxKeys: 1000 }));
      const Objects = (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [{ Key }]));
      if (Objects.length === 0) return;
      const { Errors = [] } = await this.#client.send(new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } }));
      if (Errors.length > 0) throw new Error(`S3 did not delete ${Errors[0]?.Key}: ${Errors[0]?.Message}`);
    }
  }

  async sweep(now: Date): Promise<void> {
    const { Uploads = [] } = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.#bucket }));
    for (const { Key, UploadId, Initiated } of Uploads) {
      if (Key === undefined || Initiated === undefined || now.getTime() - Initiated.getTime() < ABANDONED_MS) continue;
      await this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId })).catch(absent);
    }
  }

  signedGet(key: string, ttlS: number): Promise<string> {
    return getSignedUrl(this.#client, new GetObjectCommand(this.#object(key)), { expiresIn: Math.min(ttlS, MAX_TTL_S) });
  }

  /**
   * S3 signs one exact length or none, so of the two limits only the hash is kept by the link; the length is looked at
   * afterwards. The checksum counts only as a header, so it may not be moved into the URL.
   */
  async signedPut(key: string, { ttlS, sha256 }: SignedPutOptions): Promise<SignedPut> {
    const expiresIn = Math.min(ttlS, MAX_TTL_S);
    if (sha256 === undefined) return { url: await getSignedUrl(this.#client, new PutObjectCommand(this.#object(key)), { expiresIn }), headers: {} };
    const ChecksumSHA256 = Buffer.from(sha256, 'hex').toString('base64');
    const command = new PutObjectCommand({ ...this.#object(key), ChecksumSHA256 });
    const url = await getSignedUrl(this.#client, command, { expiresIn, unhoistableHeaders: new Set([CHECKSUM]) });
    return { url, headers: { [CHECKSUM]: ChecksumSHA256 } };
  }

  #object(key: string): S3Object {
    if (!isKey(key)) throw new Error(`not a key: ${JSON.stringify(key)}`);
    return { Bucket: this.#bucket, Key: key };
  }
}

interface S3Object {
  Bucket: string;
  Key: string;
}

/** The same bytes in pieces of exactly `bytes`, the last one shorter. */
async function* inParts(source: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array, undefined> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    held.push(chunk);
    length += chunk.length;
    while (length >= bytes) {
      const all = Buffer.concat(held);
      yield all.subarray(0, bytes);
      held = [all.subarray(bytes)];
      length -= bytes;
    }
  }
  if (length > 0) yield Buffer.concat(held);
}

/** A handler for `catch`: what is not there is undefined; everything else goes on. */
function absent(error: unknown): undefined {
  if (error instanceof S3ServiceException && (['NoSuchKey', 'NotFound', 'NoSuchUpload'].includes(error.name))) return undefined;
  throw error;
}
