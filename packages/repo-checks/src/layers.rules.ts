/** Where a file stands in the repository, read from its path alone. */
export interface Place {
  kind: 'app' | 'package' | 'other';
  /** Folder of the package: `apps/backend`, `packages/proof`, `prisma`, `bench`. */
  home: string;
  /** Folder of the feature in the backend: `rentals`; undefined elsewhere and at its root. */
  feature: string | undefined;
  layer: Layer;
  isTest: boolean;
}

export const LAYERS = ['rules', 'port', 'store', 'verb', 'edge', 'module'] as const;
export type Layer = (typeof LAYERS)[number];

const SUFFIX_LAYERS: Readonly<Record<string, Layer>> = {
  rules: 'rules',
  port: 'port',
  store: 'store',
  controller: 'edge',
  gateway: 'edge',
  handler: 'edge',
  handlers: 'edge',
  module: 'module',
};

/** Rules and ports stand lowest, modules (which wire a feature) highest. */
export function rank(layer: Layer): number {
  return layer === 'port' ? 0 : LAYERS.indexOf(layer);
}

export function placeOf(path: string): Place {
  const parts = path.split('/');
  const [top = '', second = ''] = parts;
  const kind = top === 'apps' ? 'app' : top === 'packages' || top === 'prisma' ? 'package' : 'other';
  const home = top === 'apps' || top === 'packages' ? `${top}/${second}` : top;
  const inBackend = home === 'apps/backend' && parts[2] === 'src' && parts.length > 4;
  return { kind, home, feature: inBackend ? parts[3] : undefined, layer: layerOf(path), isTest: isTest(path) };
}

function layerOf(path: string): Layer {
  const suffix = /\.([a-z-]+)\.tsx?$/.exec(path)?.[1];
  return (suffix && SUFFIX_LAYERS[suffix]) || 'verb';
}

function isTest(path: string): boolean {
  return /\.spec\.tsx?$|(^|\/)(test|vitest\.config\.ts)(\/|$)/.test(path);
}
