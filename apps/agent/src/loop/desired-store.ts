import { readJson, writeJson } from '../state-dir.js';
import { afterReboot, DesiredDoc, emptyDoc, type Moment } from './desired.rules.js';

/**
 * The one document on disk. INVARIANT: an order is acked only after `save` has returned, so what was acked survives
 * a kill -9. Writes are serialised; the newest document wins.
 */
export class DesiredStore {
  private current: DesiredDoc;
  private writing: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    doc: DesiredDoc,
  ) {
    this.current = doc;
  }

  /** Opens the document, or an empty one for a node that was never told anything. A corrupt file throws. */
  static async open(path: string, clusterId: string, now: Moment): Promise<DesiredStore> {
    const read = await readJson(path, DesiredDoc);
    if (read.kind === 'corrupt') throw new Error(read.message);
    const doc = read.kind === 'missing' ? emptyDoc(clusterId, now) : afterReboot(read.value, now);
    return new DesiredStore(path, doc);
  }

  get doc(): DesiredDoc {
    return this.current;
  }

  /** Replaces the document and makes it durable. */
  async save(doc: DesiredDoc): Promise<void> {
    this.current = doc;
    this.writing = this.writing.then(
      () => writeJson(this.path, this.current),
      () => writeJson(this.path, this.current),
    );
    await this.writing;
  }

  /** Changes the document without waiting for the disk: for facts that the machine itself will show again. */
  note(doc: DesiredDoc): void {
    this.current = doc;
  }
}
