import type { Db } from './db.js';

/** How many nodes and rentals there are per status; a status that nobody has is left out. */
export async function nodesByStatus({ client }: Db): Promise<Record<string, number>> {
  const rows = await client.hostNode.groupBy({ by: ['status'], _count: true });
  return Object.fromEntries(rows.map((row) => [row.status, row._count]));
}

export async function jobsByStatus({ client }: Db): Promise<Record<string, number>> {
  const rows = await client.job.groupBy({ by: ['status'], _count: true });
  return Object.fromEntries(rows.map((row) => [row.status, row._count]));
}

/** Share of the decided tasks that found agreement; null before the first. */
export async function consensusRate({ client }: Db): Promise<number | null> {
  const { _sum } = await client.job.aggregate({ _sum: { tasksFinal: true, tasksFailed: true } });
  const [final, failed] = [_sum.tasksFinal ?? 0, _sum.tasksFailed ?? 0];
  return final + failed === 0 ? null : final / (final + failed);
}

/** CPUs and memory of the nodes that are online, and how much of them is taken. */
export async function capacityOnline({ client }: Db): Promise<{ cpu_cores: number; cpu_cores_used: number; ram_mb: number; ram_mb_used: number }> {
  const { _sum } = await client.hostNode.aggregate({ where: { presence: 'online' }, _sum: { cpuTotal: true, cpuUsed: true, ramMbTotal: true, ramMbUsed: true } });
  return { cpu_cores: _sum.cpuTotal ?? 0, cpu_cores_used: _sum.cpuUsed ?? 0, ram_mb: _sum.ramMbTotal ?? 0, ram_mb_used: _sum.ramMbUsed ?? 0 };
}

export async function rentalsByStatus({ client }: Db): Promise<Record<string, number>> {
  const rows = await client.rental.groupBy({ by: ['status'], _count: true });
  return Object.fromEntries(rows.map((row) => [row.status, row._count]));
}
