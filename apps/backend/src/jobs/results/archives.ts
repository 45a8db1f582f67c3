import { Injectable, Logger } from '@nestjs/common';
import { sha256OfJson } from '@muster/proof';
import { Manifest } from '@muster/shared-types';
import { Db } from '../../platform/db.js';
import { Storage } from '../../storage/storage.port.js';
import { archiveLength, BadArchiveError, rebuiltArchive } from './archive.js';
import { archivesDue, copiesThatAgree, dropLateArchives, NO_ARCHIVE, storeArchive, type ArchiveDue } from './archives.store.js';
import { archiveKey, taskArchiveKey } from './keys.rules.js';

/** Executions whose archive was refused, remembered so that it is not read again every few seconds. */
const REMEMBERED = 10_000;

/**
 * Result folders. A node uploads the archive of its folder before it reports; once the task is decided, the first copy of
 * the agreed manifest whose archive holds exactly that becomes the task's, under a key that no node can write to.
 */
@Injectable()
export class Archives {
  readonly #log = new Logger('Archives');
  readonly #refused = new Set<string>();

  constructor(
    private readonly db: Db,
    private readonly storage: Storage,
  ) {}

  /** Everything that is due now; returns the jobs that have an archive more. */
  async pass(signal: AbortSignal): Promise<string[]> {
    const jobs = new Set<string>();
    for (const due of await archivesDue(this.db.client)) {
      if (signal.aborted) break;
      if (await this.#settle(due)) jobs.add(due.jobId);
    }
    for (const late of await dropLateArchives(this.db.client)) await this.storage.delete(archiveKey(late.jobId, late.id));
    return [...jobs];
  }

  /** False while a copy that still runs may bring the archive. */
  async #settle(due: ArchiveDue): Promise<boolean> {
    const copies = await copiesThatAgree(this.db.client, due);
    const manifest = Manifest.parse(due.manifest);
    // What was voted for is the hash; a manifest that does not have it binds nothing.
    const key = sha256OfJson(manifest) === due.resultHash ? await this.#firstGood(due, manifest, copies) : undefined;
    if (key === undefined && due.open) return false;
    await storeArchive(this.db.client, due, key ?? NO_ARCHIVE);
    if (key === undefined) this.#log.warn({ job_id: due.jobId, task: due.index }, 'no node has brought the archive of the result that was agreed on');
    for (const id of copies) await this.storage.delete(archiveKey(due.jobId, id));
    return true;
  }

  async #firstGood({ jobId, index }: ArchiveDue, manifest: Manifest, copies: readonly string[]): Promise<string | undefined> {
    const target = taskArchiveKey(jobId, index);
    for (const id of copies) {
      if (this.#refused.has(id)) continue;
      const fault = await this.#copy(archiveKey(jobId, id), target, manifest);
      if (fault === undefined) return target;
      // An archive may still be on its way only while its copy runs; a copy that has reported has sent what it has.
      this.#refuse(id);
      this.#log.warn({ job_id: jobId, execution_id: id, fault }, 'an archive was refused');
    }
    return undefined;
  }

  /** What is wrong with it; undefined when it now stands under `target`. */
  async #copy(source: string, target: string, manifest: Manifest): Promise<string | undefined> {
    const stored = await this.storage.get(source);
    if (!stored) return 'nothing was uploaded';
    if (stored.size !== (await archiveLength(manifest.files))) {
      stored.body.destroy();
      return 'it has another length than its manifest says';
    }
    try {
      const written = await this.storage.put(target, rebuiltArchive(stored.body, manifest.files));
      return written.ok ? undefined : written.problem.title;
    } catch (error) {
      if (error instanceof BadArchiveError) return error.message;
      throw error;
    }
  }

  #refuse(executionId: string): void {
    if (this.#refused.size >= REMEMBERED) this.#refused.clear();
    this.#refused.add(executionId);
  }
}
