/** One record of `/dev/kmsg`: `6,1234,5678901,-;text`, then lines of properties. */
export interface KernelRecord {
  /** 0 is the kernel itself; whatever a program writes there has another. */
  facility: number;
  /** Grows by one with every record of this boot. */
  seq: number;
  /** Seconds since the machine started. */
  bootS: number;
  text: string;
}

export interface Xid {
  seq: number;
  bootS: number;
  xid: number;
  /** `0000:0b:00`. */
  bus: string;
}

const RECORD = /^(\d{1,5}),(\d{1,15}),(\d{1,18}),[^;]*;([^\n]*)/;
/** What the driver's kernel module writes; names of programs come after it and are not read. */
const XID = /^NVRM: Xid \(PCI:([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2})(?:\.\d)?\): (\d{1,5})\b/i;

export function parseKernelRecord(raw: string): KernelRecord | null {
  const [, prefix, seq, micros, text] = RECORD.exec(raw) ?? [];
  if (text === undefined) return null;
  return { facility: Math.floor(Number(prefix) / 8), seq: Number(seq), bootS: Number(micros) / 1e6, text };
}

/** The fault that a record tells of; null for everything that the kernel's driver has not written itself. */
export function xidOf({ facility, seq, bootS, text }: KernelRecord): Xid | null {
  const [, bus, xid] = (facility === 0 && XID.exec(text)) || [];
  return bus === undefined ? null : { seq, bootS, xid: Number(xid), bus: bus.slice(-10).toLowerCase() };
}
