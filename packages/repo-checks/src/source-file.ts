import { parseSync, Visitor } from 'oxc-parser';

/** What the checks need to know of one source file. */
export interface SourceFile {
  /** Path from the root of the repository, with forward slashes. */
  path: string;
  imports: readonly FileImport[];
  /** Things outside its parameters that the file reads, e.g. `Date.now`. */
  ambient: readonly Ambient[];
}

export interface FileImport {
  specifier: string;
  line: number;
  /** Erased by the compiler: `import type`. */
  typeOnly: boolean;
  /** Imported names that exist at run time; `*` for a namespace, an empty list for a side effect or types only. */
  names: readonly string[];
}

export interface Ambient {
  what: 'process.env' | 'process' | 'Date.now' | 'new Date()' | 'Math.random' | 'performance' | 'crypto';
  line: number;
}

/** Parses TypeScript without the compiler: imports, re-exports, dynamic imports and ambient reads with their lines. */
export function readSource(path: string, text: string): SourceFile {
  const parsed = parseSync(path, text);
  const fatal = parsed.errors.find((error) => error.severity === 'Error');
  if (fatal) throw new Error(`${path} cannot be parsed: ${fatal.message}`);
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length;
  const { staticImports, staticExports, dynamicImports } = parsed.module;
  const imports = staticImports.map(({ moduleRequest, entries }) => ({
    specifier: moduleRequest.value,
    line: lineOf(moduleRequest.start),
    typeOnly: entries.length > 0 && entries.every((entry) => entry.isType),
    names: entries.filter((entry) => !entry.isType).map((entry) => entry.importName.name ?? '*'),
  }));
  const reExports = staticExports.flatMap(({ entries }) => entries).flatMap(({ moduleRequest, isType, importName }) =>
    moduleRequest ? [{ specifier: moduleRequest.value, line: lineOf(moduleRequest.start), typeOnly: isType, names: [importName.name ?? '*'] }] : [],
  );
  const dynamic = dynamicImports.flatMap((one) => {
    const literal = /^['"`]([^'"`$]+)['"`]$/.exec(text.slice(one.moduleRequest.start, one.moduleRequest.end));
    return literal?.[1] ? [{ specifier: literal[1], line: lineOf(one.start), typeOnly: false, names: ['*'] }] : [];
  });
  return { path, imports: [...imports, ...reExports, ...dynamic], ambient: readAmbient(parsed.program, lineOf) };
}

/** `env` of both `process.env` and `process['env']`. */
function nameOf(property: { type: string; name?: unknown; value?: unknown }): unknown {
  return property.type === 'Identifier' ? property.name : property.value;
}

type Program = ReturnType<typeof parseSync>['program'];

function readAmbient(program: Program, lineOf: (offset: number) => number): Ambient[] {
  const found: Ambient[] = [];
  const add = (what: Ambient['what'], start: number) => found.push({ what, line: lineOf(start) });
  new Visitor({
    MemberExpression(node) {
      const object = node.object.type === 'Identifier' ? node.object.name : '';
      const property = nameOf(node.property);
      if (object === 'process') add(property === 'env' ? 'process.env' : 'process', node.start);
      if (object === 'Date' && property === 'now') add('Date.now', node.start);
      if (object === 'Math' && property === 'random') add('Math.random', node.start);
      if (object === 'performance' || object === 'crypto') add(object, node.start);
    },
    NewExpression(node) {
      if (node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0) add('new Date()', node.start);
    },
  }).visit(program);
  return found;
}
