import { chmod, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type ControlAnswer, ControlRequest, type MarketEvent } from './events.js';
import { failureOf } from '../output/exit-codes.js';
import type { Market } from './market.js';

export interface ControlServer {
  close(): Promise<void>;
}

/** Answers `up`, `down` and `status` of other terminals, over a socket that only this user may open. */
export async function serveControl(path: string, market: Market): Promise<ControlServer> {
  await rm(path, { force: true }); // we hold the lock, so whoever left it is dead
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    createInterface({ input: socket }).once('line', (line) => {
      converse(socket, line, market).catch((error: unknown) => socket.destroy(error instanceof Error ? error : undefined));
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  await chmod(path, 0o600);
  return { close: () => close(server, sockets, path) };
}

async function converse(socket: Socket, line: string, market: Market): Promise<void> {
  const request = ControlRequest.parse(JSON.parse(line));
  switch (request.command) {
    case 'status':
      return void socket.end(lineOf({ kind: 'status', state: market.state, parts: market.partStatus(), places: (await market.currentPlaces()) ?? null }));
    case 'follow':
      return follow(socket, market);
    case 'resize':
      return resize(socket, market, request.nodes ?? undefined, request.owners ?? undefined);
    case 'down':
      return down(socket, market, request.force);
  }
}

/** A market that is up is told as it is now; one that is starting, from its first step on. */
async function follow(socket: Socket, market: Market): Promise<void> {
  const places = await market.currentPlaces();
  if (places) socket.write(lineOf({ kind: 'ready', places }));
  const leave = market.events.follow((event) => socket.write(lineOf(event)), !places);
  socket.once('close', leave);
}

/** Whoever asked is told how it goes, and why it does not. */
async function resize(socket: Socket, market: Market, nodes: number | undefined, owners: number | undefined): Promise<void> {
  const leave = market.events.follow((event) => socket.write(lineOf(event)), false);
  socket.once('close', leave);
  try {
    await market.resize(nodes, owners);
  } catch (error) {
    const { message, hint, exit_code } = failureOf(error);
    socket.end(lineOf({ kind: 'failed', message, ...(hint && { hint }), exit_code }));
  }
}

async function down(socket: Socket, market: Market, force: boolean): Promise<void> {
  const rentals = force ? [] : await market.liveRentals().catch(() => null);
  if (rentals === null || rentals.length > 0) return void socket.end(lineOf({ kind: 'refused', rentals }));
  const leave = market.events.follow((event: MarketEvent) => socket.write(lineOf(event)), market.state === 'stopping');
  socket.once('close', leave);
  void market.stop();
}

const lineOf = (answer: ControlAnswer): string => `${JSON.stringify(answer)}\n`;

/** What was written last still arrives: `end` sends it before the socket closes. */
async function close(server: ReturnType<typeof createServer>, sockets: ReadonlySet<Socket>, path: string): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.end();
  await rm(path, { force: true });
  setTimeout(() => sockets.forEach((socket) => socket.destroy()), 1_000).unref();
  await closed;
}
