import { placeOf, rank, type Place } from './layers.rules.js';
import type { FileImport, SourceFile } from './source-file.js';

export interface Violation {
  path: string;
  line: number;
  rule: string;
  message: string;
}

/** An import whose target is a file of this repository. */
export interface ResolvedImport extends FileImport {
  target: string;
}

type Check = (from: Place, to: Place, one: ResolvedImport) => string | undefined;

/** Every package may read the test kit's source in its tests: the kit is built on some of them. */
const TEST_KIT_HOME = 'packages/testkit';

const CHECKS: Readonly<Record<string, Check>> = {
  'apps-apart': (from, to) => (from.kind === 'app' && to.kind === 'app' && from.home !== to.home ? 'an app never imports another app' : undefined),
  'packages-below-apps': (from, to) => (from.kind === 'package' && to.kind === 'app' ? 'a package never imports an app' : undefined),
  'platform-below-features': (from, to) => (from.feature === 'platform' && !from.isTest && to.feature !== undefined && to.feature !== 'platform' ? 'platform never imports a feature' : undefined),
  'features-below-boot': (from, to) =>
    from.feature !== undefined && !from.isTest && to.home === from.home && to.feature === undefined && !to.isTest ? 'a feature never imports the boot files above it' : undefined,
  // A type leaves no trace at run time, so a row's type may be named from below.
  'layers-downward': (from, to, one) =>
    sameFeature(from, to) && !from.isTest && !one.typeOnly && rank(to.layer) > rank(from.layer) ? `a ${from.layer} never imports a ${to.layer}` : undefined,
  'store-private': (from, to) => (crossesFeatures(from, to) && to.layer === 'store' && !from.isTest ? "another feature's store is closed: use a function that the feature exports" : undefined),
  'edge-private': (from, to) =>
    crossesFeatures(from, to) && to.layer === 'edge' && from.layer !== 'module' && !from.isTest ? "another feature's edge is closed: use a function that the feature exports" : undefined,
};

function sameFeature(from: Place, to: Place): boolean {
  return from.feature !== undefined && from.feature === to.feature;
}

function crossesFeatures(from: Place, to: Place): boolean {
  return from.feature !== undefined && to.feature !== undefined && to.feature !== 'platform' && from.feature !== to.feature;
}

/** The features' boot files that features may read: configuration is one file per app. */
const BOOT_FILES_FOR_ALL = ['apps/backend/src/config.ts', 'apps/backend/src/documents.ts'];

export function checkImports(file: SourceFile, imports: readonly ResolvedImport[]): Violation[] {
  const from = placeOf(file.path);
  return imports.flatMap((one) => {
    const to = placeOf(one.target);
    const broken = Object.entries(CHECKS).flatMap(([rule, check]) => {
      if (rule === 'features-below-boot' && BOOT_FILES_FOR_ALL.includes(one.target)) return [];
      const message = check(from, to, one);
      return message ? [{ rule, message }] : [];
    });
    const all = [...broken, ...leavesItsPackage(from, to, one)];
    return all.map(({ rule, message }) => ({ path: file.path, line: one.line, rule, message: `${message} (${one.specifier})` }));
  });
}

function leavesItsPackage(from: Place, to: Place, one: ResolvedImport): { rule: string; message: string }[] {
  if (from.home === to.home || !one.specifier.startsWith('.')) return [];
  if (from.isTest && to.home === TEST_KIT_HOME) return [];
  return [{ rule: 'by-package-name', message: 'another package is imported by its name, never by its folder' }];
}

const IMPURE_MODULES = /^(node:|@nestjs\/|@prisma\/|@muster\/prisma|@muster\/testkit|@muster\/local-services|socket\.io|ioredis|pg$|dockerode|ssh2|pino|express)/;

/** Functions of Node that depend on their arguments alone. */
const PURE_FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': ['createHash', 'createHmac', 'createPublicKey', 'timingSafeEqual', 'verify'],
  'node:zlib': ['crc32'],
  'node:net': ['isIP', 'isIPv4', 'isIPv6'],
  'node:path': ['basename', 'dirname', 'join', 'posix', 'relative'],
};

function isPureUse(one: FileImport): boolean {
  const allowed = PURE_FUNCTIONS[one.specifier];
  return allowed !== undefined && one.names.every((name) => allowed.includes(name));
}

/** `.rules.ts` decide from their parameters alone: clock, ids and randomness come in. */
export function checkPurity(file: SourceFile): Violation[] {
  if (placeOf(file.path).layer !== 'rules') return [];
  const impure = file.imports.filter((one) => IMPURE_MODULES.test(one.specifier) && !isPureUse(one));
  return [
    ...impure.map((one) => ({ path: file.path, line: one.line, rule: 'pure-rules', message: `a .rules file never imports ${one.specifier}` })),
    ...file.ambient.map((one) => ({ path: file.path, line: one.line, rule: 'pure-rules', message: `a .rules file never reads ${one.what}: it comes in as a parameter` })),
  ];
}

/** Homes that are not part of a running product. */
const FREE_OF_CONFIG_RULE = [TEST_KIT_HOME, 'bench', 'packages/repo-checks'];
/** The migration runner passes the environment on to the Prisma CLI. */
const ENVIRONMENT_FILES = ['prisma/src/cli.ts', 'prisma/src/prisma-cli.ts', 'prisma/prisma.config.ts'];

/** The environment is read once per process, by its `config.ts`. */
export function checkEnvironment(file: SourceFile): Violation[] {
  const place = placeOf(file.path);
  const free = place.isTest || FREE_OF_CONFIG_RULE.includes(place.home) || ENVIRONMENT_FILES.includes(file.path) || file.path === `${place.home}/src/config.ts`;
  if (free) return [];
  const reads = file.ambient.filter((one) => one.what === 'process.env');
  return reads.map((one) => ({ path: file.path, line: one.line, rule: 'one-config', message: "process.env is read only in the app's src/config.ts" }));
}
