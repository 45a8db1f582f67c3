import pc from 'picocolors';
import { failureOf, LOCAL_FAULT, type ExitCode, type Failure } from './exit-codes.js';

export interface Out {
  write(text: string | Uint8Array): unknown;
}

type Colors = ReturnType<typeof pc.createColors>;

/** Where a command writes. `json` is set from `--json` before any action runs. */
export interface Io {
  stdout: Out;
  stderr: Out;
  json: boolean;
  /** Standard output takes colour. */
  color: boolean;
  /** A person sits at both ends: questions may be asked, lines may be drawn again. */
  isTty: boolean;
  /** picocolors, off when `color` is. */
  paint: Colors;
  /** What a text says when it names one of our own commands: it is pasted as it stands. */
  asCalled(text: string): string;
}

export interface Terminal {
  stdout: Out & { isTTY?: boolean };
  stderr: Out;
  stdin: { isTTY?: boolean };
  noColor: boolean;
  /** How the person called us, e.g. `./muster`. */
  self: string;
}

/** `muster` as the first word of a command; not in paths, host names or `./muster` itself. */
const OWN_COMMAND =
  /(?<![\w./_-])muster(?= (?:up|down|status|search|rent|ls|show|destroy|stop|start|logs|exec|ssh|scp|ssh-config|open|submit|list|get|result|cancel|nodes|stats|credits|balance|statement|prices|notifications|node|keys|admin|demo|screenshots)\b)/g;

export function createIo(terminal: Terminal): Io {
  const isTty = Boolean(terminal.stdout.isTTY && terminal.stdin.isTTY);
  const color = Boolean(terminal.stdout.isTTY) && !terminal.noColor;
  const asCalled = (text: string): string => text.replace(OWN_COMMAND, terminal.self);
  return { stdout: terminal.stdout, stderr: terminal.stderr, json: false, color, isTty, paint: pc.createColors(color), asCalled };
}

/** One line for a person; silent under `--json`. */
export function say(io: Io, line = ''): void {
  if (!io.json) io.stdout.write(`${io.asCalled(line)}\n`);
}

/** The result of a command as its one JSON document. */
export function sayJson(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Tells a failure and its next step on standard error; returns the exit code. */
export function fail(io: Io, error: unknown): ExitCode {
  const failure = failureOf(error);
  io.stderr.write(io.json ? `${JSON.stringify({ error: failure })}\n` : io.asCalled(wordsOf(io, failure)));
  return failure.exit_code;
}

function wordsOf(io: Io, failure: Failure): string {
  const { paint } = io;
  const lines = [
    `${paint.red('✗')} ${failure.message}`,
    ...(failure.errors ?? []).map(({ path, message }) => `  ${path}: ${message}`),
    ...(failure.hint ? [`  ${failure.hint}`] : []),
    ...(failure.code === LOCAL_FAULT ? [] : [paint.dim(`  ${[failure.code, failure.request_id].filter(Boolean).join(' · ')}`)]),
  ];
  return `${lines.join('\n')}\n`;
}
