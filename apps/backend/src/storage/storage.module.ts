import { Global, Module } from '@nestjs/common';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { BlobsController } from './blobs.controller.js';
import { LinkSecret } from './link-secret.js';
import { LocalStorage } from './local.js';
import { S3Storage } from './s3.js';
import { Storage } from './storage.port.js';

function makeStorage({ storage, publicUrl }: Config, secret: LinkSecret, clock: Clock): Storage {
  if (storage.kind === 's3') return new S3Storage(storage);
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
