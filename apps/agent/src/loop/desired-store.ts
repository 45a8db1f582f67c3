import type { Logger } from 'pino';
import { readJson, writeJson } from '../state-dir.js';
import { afterReboot, DesiredDoc, emptyDoc, forCluster, type Moment, withoutGone } from './desired.rules.js';

/** How much of the time since the last contact a restarted agent may have to count again. */
const KEEP_CONTACT_EVERY_S = 20;

/**
 * The one document on disk. INVARIANT: an order is acked only after `save` has returned, so what was acked survives
 * a kill -9. Writes are serialised; the newest document wins.
 */
export class DesiredStore {
  private current: DesiredDoc;
  private writing: Promise<void> = Promise.resolve();
  private keptContactS: number;
  private unsaved = false;

  private constructor(
    private readonly path: string,
    doc: DesiredDoc,
    private readonly log: Logger,
  ) {
    this.current = doc;
    this.keptContactS = doc.last_contact_boot_s;
  }

  /** Opens the document, or an empty one for a node that was never told anything. A corrupt file throws. */
  static async open(path: string, clusterId: string, now: Moment, log: Logger): Promise<DesiredStore> {
    const read = await readJson(path, DesiredDoc);
    if (read.kind === 'corrupt') throw new Error(read.message);
    const doc = read.kind === 'missing' ? emptyDoc(clusterId, now) : forCluster(afterReboot(read.value, now), clusterId, now);
    return new DesiredStore(path, doc, log);
  }

  get doc(): DesiredDoc {
    return this.current;
  }

  /** Of executions, which are kept elsewhere. */
  jobImages: () => readonly string[] = () => [];

  /** Images that something on this machine runs or waits for, whatever made room is looked for. */
  wantedImages(): string[] {
    return [...Object.values(this.current.instances).map((one) => one.spec.image), ...this.jobImages()];
  }

  /** Replaces the document and makes it durable. */
  async save(doc: DesiredDoc): Promise<void> {
    this.current = doc;
    const write = (): Promise<void> => writeJson(this.path, this.current);
    this.writing = this.writing.then(write, write);
    await this.writing;
  }

  /** Market or tunnel were there at this second. Reaches the disk now and then. */
  contact(bootS: number): void {
    this.current = { ...this.current, last_contact_boot_s: bootS };
    if (bootS - this.keptContactS < KEEP_CONTACT_EVERY_S) return;
    this.keptContactS = bootS;
    this.saveSoon(this.current);
  }

  /** Orders to remove whose end the market knows. On a machine that is killed before the disk has it, they are told again. */
  forgetGone(isKnownGone: (rentalId: string) => boolean): void {
    const doc = withoutGone(this.current, isKnownGone);
    if (doc !== this.current) this.saveSoon(doc);
  }

  /**
   * For facts that the machine itself will show again: nobody waits for the disk, and a disk that is full does not keep
   * the loop from ending what has to end. Tried again with the next change.
   */
  saveSoon(doc: DesiredDoc): void {
    this.current = doc;
    if (this.unsaved) return;
    this.unsaved = true;
    void this.writing
      .catch(() => undefined)
      .then(() => {
        this.unsaved = false;
        return this.save(this.current);
      })
      .catch((error: unknown) => this.log.error({ err: error }, 'the desired state could not be written to the disk'));
  }
}
