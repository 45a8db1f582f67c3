import type { PullProgress } from './types.js';

/** One line of Docker's answer to a pull. */
export interface PullEvent {
  id?: string;
  status?: string;
  error?: string;
  progressDetail?: { current?: number; total?: number };
}

const DONE = new Set(['Pull complete', 'Already exists']);

/** Adds up a pull: bytes of the layers whose size is known so far, and how many of all layers are in place. */
export class PullTally {
  private readonly layers = new Map<string, { current: number; total: number; done: boolean }>();

  add(event: PullEvent): void {
    const { id, status = '' } = event;
    // The first line bears the tag as its id.
    if (id === undefined || status.startsWith('Pulling from')) return;
    const layer = this.layers.get(id) ?? { current: 0, total: 0, done: false };
    if (status === 'Downloading') {
      layer.current = event.progressDetail?.current ?? layer.current;
      layer.total = Math.max(layer.total, event.progressDetail?.total ?? 0);
    }
    if (status === 'Download complete') layer.current = layer.total;
    if (DONE.has(status)) layer.done = true;
    this.layers.set(id, layer);
  }

  progress(): PullProgress {
    const layers = [...this.layers.values()];
    const sum = (pick: (layer: { current: number; total: number }) => number): number => layers.reduce((total, layer) => total + pick(layer), 0);
    return {
      current_bytes: sum((layer) => layer.current),
      total_bytes: sum((layer) => layer.total),
      layers_done: layers.filter((layer) => layer.done).length,
      layers: layers.length,
    };
  }
}
