/** Names that people know from elsewhere, and the one that means it here. */
const KNOWN_AS: Readonly<Record<string, string>> = {
  dph: 'dph_total',
  price: 'dph_total',
  max_price: 'dph_total',
  reliability2: 'reliability',
  gpu: 'gpu_name',
  gpus: 'num_gpus',
  gpu_ram: 'gpu_ram_mb',
  gpu_total_ram: 'gpu_total_ram_mb',
  vram: 'gpu_ram_mb',
  cpu_ram: 'cpu_ram_mb',
  ram: 'cpu_ram_mb',
  cpu_cores_effective: 'cpu_cores',
  vcpu: 'cpu_cores',
  cpus: 'cpu_cores',
  disk: 'disk_space',
  cuda_vers: 'cuda_max_good',
  driver_vers: 'driver_version',
  country: 'geolocation',
  machine_id: 'node_id',
  host_id: 'node_id',
  score: 'reputation',
};

/** The name that was probably meant; undefined when none is close. */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  const wanted = typed.toLowerCase();
  const known = Object.hasOwn(KNOWN_AS, wanted) ? KNOWN_AS[wanted] : undefined;
  if (known !== undefined && names.includes(known)) return known;
  const ranked = names.map((name) => ({ name, distance: distance(wanted, name.toLowerCase()) })).toSorted((a, b) => a.distance - b.distance);
  const best = ranked[0];
  if (best && best.distance <= Math.max(1, Math.floor(wanted.length / 3))) return best.name;
  return wanted.length >= 3 ? names.find((name) => name.toLowerCase().includes(wanted)) : undefined;
}

/** Letters to add, drop, change or swap (optimal string alignment). Long words are not compared: nobody mistypes one. */
function distance(a: string, b: string): number {
  if (a.length > 40) return Infinity;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(before, j - 2) + 1 : Infinity;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same, swapped));
    }
    [before, last] = [last, row];
  }
  return at(last, b.length);
}

const at = (row: readonly number[], index: number): number => row[index] ?? Infinity;
