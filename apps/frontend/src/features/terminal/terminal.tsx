'use client';
import { useEffect, useRef } from 'react';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal as Xterm } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import type { ExecSession } from '@muster/client';
import { problemOf } from '@/lib/api';
import { live } from '@/lib/live';

/** A terminal is dark in both themes: what runs in it chooses its colours for that. */
const THEME = { background: '#14130f', foreground: '#edebe7', cursor: '#6fd1c0', selectionBackground: '#6fd1c055' };

interface Props {
  rentalId: string;
  onEnd: (why: string) => void;
}

export function Terminal({ rentalId, onEnd }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const told = useRef(onEnd);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    return run(element, rentalId, (why) => told.current(why));
  }, [rentalId]);
  return <div ref={box} data-testid="terminal" className="h-[420px] overflow-hidden rounded-b-panel bg-[#14130f] p-2" />;
}

/** Connects a terminal on the page with a shell in the instance. Returns the way to end both. */
function run(element: HTMLElement, rentalId: string, onEnd: (why: string) => void): () => void {
  const family = getComputedStyle(document.documentElement).getPropertyValue('--font-geist-mono');
  const terminal = new Xterm({ fontFamily: `${family}, monospace`, fontSize: 13, lineHeight: 1.2, cursorBlink: false, theme: THEME, scrollback: 5000, screenReaderMode: true });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  fit.fit();
  terminal.focus();
  let session: ExecSession | undefined;
  let gone = false;
  const size = new ResizeObserver(() => {
    fit.fit();
    session?.resize(terminal.cols, terminal.rows);
  });
  size.observe(element);
  const encoder = new TextEncoder();
  let early = ''; // typed before the shell is there
  terminal.onData((text) => {
    if (session) void session.write(encoder.encode(text));
    else early += text;
  });
  const end = (why: string): void => { if (!gone) { terminal.write(`\r\n\x1b[2m${why}\x1b[0m\r\n`); onEnd(why); } };
  const command = { rental_id: rentalId, tty: true, cols: terminal.cols, rows: terminal.rows };
  // The promise of a write is the way in which a full screen slows the command down.
  const onOutput = (bytes: Uint8Array): Promise<void> => new Promise((resolve) => terminal.write(bytes, resolve));
  const onExit = ({ exitCode, message }: { exitCode: number | null; message: string | undefined }): void => end(exitCode === null ? (message ?? 'It was cut') : `The shell ended with ${exitCode}`);
  void live()
    .then((client) => client.exec(command, { onOutput, onExit }))
    .then((opened) => {
      session = opened;
      if (early !== '') void opened.write(encoder.encode(early));
      if (gone) opened.close();
    })
    .catch((error: unknown) => end(problemOf(error).detail ?? problemOf(error).title));
  return () => {
    gone = true;
    size.disconnect();
    session?.close();
    terminal.dispose();
  };
}
