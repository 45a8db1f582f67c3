import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix, relative } from 'node:path';
import { z } from 'zod';
import { findCycles } from './cycles.rules.js';
import { checkEnvironment, checkImports, checkPurity, type ResolvedImport, type Violation } from './import.rules.js';
import { placeOf } from './layers.rules.js';
import { readSource, type SourceFile } from './source-file.js';

const SKIPPED = new Set(['node_modules', 'dist', 'generated', '.git', '.turbo', '.next', 'coverage']);
const manifest = z.object({ name: z.string() });

export interface Report {
  files: number;
  violations: Violation[];
}

/** Reads every TypeScript source of a repository and names each import that goes where it must not. */
export async function checkRepository(root: string): Promise<Report> {
  const paths = await listSources(root, root);
  const homes = await packageHomes(root, paths);
  const files = await Promise.all(paths.map(async (path) => readSource(path, await readFile(join(root, path), 'utf8'))));
  const known = new Set(paths);
  const resolved = new Map(files.map((file) => [file.path, resolveAll(file, known, homes)]));
  const violations = files.flatMap((file) => [...checkImports(file, resolved.get(file.path) ?? []), ...checkPurity(file), ...checkEnvironment(file)]);
  return { files: files.length, violations: [...violations, ...cycleViolations(resolved)] };
}

async function listSources(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = entries.map(async (entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : listSources(root, path);
    return /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.d.ts') ? [relative(root, path)] : [];
  });
  return (await Promise.all(nested)).flat().toSorted();
}

/** Folder of each package of the repository by its name. */
async function packageHomes(root: string, paths: readonly string[]): Promise<Map<string, string>> {
  const homes = [...new Set(paths.map((path) => placeOf(path).home))];
  const named = homes.map(async (home): Promise<[string, string][]> => {
    const text = await readFile(join(root, home, 'package.json'), 'utf8').catch(() => undefined);
    return text === undefined ? [] : [[manifest.parse(JSON.parse(text)).name, home]];
  });
  return new Map((await Promise.all(named)).flat());
}

function resolveAll(file: SourceFile, known: ReadonlySet<string>, homes: ReadonlyMap<string, string>): ResolvedImport[] {
  return file.imports.flatMap((one) => {
    const target = one.specifier.startsWith('.') ? resolveRelative(file.path, one.specifier, known) : resolvePackage(one.specifier, homes);
    return target ? [{ ...one, target }] : [];
  });
}

function resolveRelative(from: string, specifier: string, known: ReadonlySet<string>): string {
  const plain = posix.join(dirname(from), specifier);
  const candidates = [plain.replace(/\.js$/, '.ts'), plain.replace(/\.js$/, '.tsx'), `${plain}.ts`, `${plain}/index.ts`];
  return candidates.find((path) => known.has(path)) ?? plain;
}

/** A package stands for its public entry; a deep import for the file it names. */
function resolvePackage(specifier: string, homes: ReadonlyMap<string, string>): string | undefined {
  const name = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  const home = homes.get(name);
  return home && `${home}/src/${specifier.slice(name.length + 1) || 'index'}.ts`;
}

function cycleViolations(resolved: ReadonlyMap<string, readonly ResolvedImport[]>): Violation[] {
  const production = [...resolved].filter(([path]) => !placeOf(path).isTest);
  const graph = new Map(production.map(([path, imports]) => [path, imports.map((one) => one.target)]));
  return findCycles(graph).map((cycle) => ({ path: cycle[0] ?? '', line: 1, rule: 'no-cycle', message: [...cycle, cycle[0]].join(' → ') }));
}
