import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '@muster/testkit';
import { createClient, type PrismaClient } from '@muster/prisma';
import { makeNode, makeRunningRental, makeUser } from '../../test/market-fixtures.js';
import { newId } from '../platform/ids.js';
import { claimPorts, releasePorts } from './ports.js';

const NOW = new Date('2026-03-01T12:00:00Z');
const later = (s: number): Date => new Date(NOW.getTime() + s * 1000);

describe('public ports', () => {
  let database: TestDatabase;
  let db: PrismaClient;
  let nodeId: string;
  let renterId: string;
  let tunnelServerId: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    db = createClient({ connectionString: database.url, max: 16 });
    renterId = await makeUser(db);
    nodeId = await makeNode(db, { ownerId: renterId, cpu: 4096, ramMb: 1_048_576, diskGb: 4096 });
  });
  afterAll(async () => {
    await db.$disconnect();
    await database.drop();
  });
  beforeEach(async () => {
    tunnelServerId = newId();
    await db.tunnelServer.create({ data: { id: tunnelServerId, name: tunnelServerId, publicHost: 'h', probeHost: 'h', frpsPort: 7000, firstPort: 20_000, lastPort: 20_019, caPem: '' } });
    await db.tunnelPort.createMany({ data: Array.from({ length: 20 }, (_, i) => ({ tunnelServerId, port: 20_000 + i })) });
  });

  const rental = () => makeRunningRental(db, { renterId, nodeId, rateMicroHour: 1n, startTime: NOW });
  const claim = (rentalId: string, containerPorts: number[], now = NOW) => db.$transaction((tx) => claimPorts(tx, { tunnelServerId, rentalId, containerPorts, now }));
  const release = (rentalId: string, until: Date) => db.$transaction((tx) => releasePorts(tx, rentalId, until));

  it('gives one public port per container port, counted once', async () => {
    expect(await claim(await rental(), [22, 8888, 22])).toEqual({ '22': 20_000, '8888': 20_001 });
    expect(await claim(await rental(), [])).toEqual({});
  });

  it('gives nobody a port before it has rested, and then the one that rested longest', async () => {
    const [first, second] = [await rental(), await rental()];
    await claim(first, Array.from({ length: 10 }, (_, i) => 1000 + i));
    await claim(second, Array.from({ length: 10 }, (_, i) => 1000 + i));
    await release(first, later(60));
    await release(second, later(30));
    expect(await claim(await rental(), [22])).toBeNull();
    expect(await claim(await rental(), [22], later(31))).toEqual({ '22': 20_010 });
    expect(await claim(await rental(), [22], later(61))).toEqual({ '22': 20_011 });
  });

  it('writes nothing when too few are free', async () => {
    expect(await claim(await rental(), Array.from({ length: 21 }, (_, i) => 1000 + i))).toBeNull();
    expect(await db.tunnelPort.count({ where: { tunnelServerId, rentalId: { not: null } } })).toBe(0);
  });

  it('frees twice without harm', async () => {
    const one = await rental();
    await claim(one, [22]);
    await release(one, later(10));
    const again = await rental();
    expect(await claim(again, [22], later(11))).toEqual({ '22': 20_001 });
    await release(one, later(99));
    expect(await db.tunnelPort.count({ where: { tunnelServerId, rentalId: again } })).toBe(1);
  });

  it('never gives one port to two in a race, and no port is left while some rental is refused without need', async () => {
    const rentals = await Promise.all(Array.from({ length: 16 }, rental));
    const claims = await Promise.all(rentals.map((id) => claim(id, [22, 8888])));
    const ports = claims.flatMap((given) => Object.values(given ?? {}));
    expect(new Set(ports).size).toBe(ports.length);
    expect(ports.length).toBeLessThanOrEqual(20);
    expect(await db.tunnelPort.count({ where: { tunnelServerId, rentalId: { not: null } } })).toBe(ports.length);
    for (const id of rentals.filter((_, i) => claims[i] === null).slice(0, (20 - ports.length) / 2)) expect(await claim(id, [22, 8888])).not.toBeNull();
  });
});
