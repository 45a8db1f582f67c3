import { Global, Module } from '@nestjs/common';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { BlobsController } from './blobs.controller.js';
import { LinkSecret } from './link-secret.js';
import { LocalStorage } from './local.js';
import { Storage } from './storage.port.js';

async function makeStorage({ storage, publicUrl }: Config, secret: LinkSecret, clock: Clock): Promise<Storage> {
  // The client is large: a market without a bucket starts without it.
  if (storage.kind === 's3') return new (await import('./s3.js')).S3Storage(storage);
  return new LocalStorage({ dir: storage.dir, publicUrl, linkSecret: secret.bytes, now: () => clock.now() });
}

/** Where inputs and results lie; everybody who has to do with jobs takes `Storage`. */
@Global()
@Module({
  controllers: [BlobsController],
  providers: [LinkSecret, { provide: Storage, inject: [Config, LinkSecret, Clock], useFactory: makeStorage }],
  exports: [Storage],
})
export class StorageModule {}
