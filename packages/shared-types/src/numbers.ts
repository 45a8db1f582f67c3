/** Numbers that both sides of a contract must agree on (`docs/contracts`: each stands here once). */
export const HEARTBEAT_INTERVAL_MS = 5_000;
export const UNREACHABLE_AFTER_S = 15;
export const OFFLINE_AFTER_S = 120;
/** How long an instance goes on when its host has lost both backend and tunnel. */
export const LEASE_S = 30 * 60;
/** A silent host is given up after this long; the rental is then `lost`. */
export const LOST_AFTER_S = 60 * 60;
/** After a gap that the backend itself caused, nodes have this long to come back before anything is held against them. */
export const RESTART_GRACE_S = 60;
/** A silence up to this long is billed as covered; a longer one is unbilled from its first second. */
export const COVERED_GAP_S = 15;
/** SIGTERM grace of a container after access has ended. Unbilled. */
export const STOP_GRACE_S = 10;
/** To rent, the balance must cover this many minutes of all running rates plus the new one. */
export const MIN_PREPAID_MINUTES = 10;
/** When a balance is used up, so much storage of every disk is left of it: what runs is stopped, and its disk kept for so long. */
export const STORAGE_RESERVE_H = 48;
export const DESIRED_STATE_EVERY_MS = 60_000;
export const TUNNEL_TOKEN_LIFE_S = 6 * 3600;
export const TUNNEL_TOKEN_RENEW_EVERY_S = 300;
/** Before another renter gets a used public port. Longer than a tunnel token lives. */
export const PORT_REST_S = 24 * 3600;
export const REPUTATION_START = 100;
export const REPUTATION_CAP = 200;

export const DEFAULT_PORTS = {
  web: 3000,
  api: 8080,
  frps: 7000,
  gate: 7080,
  frpsAdmin: 7500,
  tunnelFirst: 20_000,
  tunnelLast: 29_999,
} as const;

/** Default prices in micro-dollars. */
export const DEFAULT_PRICES = {
  gpuHour: 200_000n,
  cpuCoreHour: 10_000n,
  ramGibHour: 5_000n,
  diskGbMonth: 100_000n,
} as const;

/** Batch jobs, where the submitter says nothing. */
export const JOB_DEFAULTS = { redundancy: 3, consensus: 2, maxCopies: 7, timeoutS: 300, memoryMb: 512, cpu: 1, diskGb: 1 } as const;
export const JOB_LIMITS = {
  tasks: 100_000,
  inputs: 100,
  /** All inline inputs of a job together count against the body limit as well. */
  inlineInputChars: 4_000_000,
  /** Standard output as a result, and as base64. Larger results are files in `/output`. One report stays below the limit of a message. */
  resultBytes: 262_144,
  resultChars: 350_000,
  logChars: 65_536,
  outputBytes: 1_073_741_824,
  outputFiles: 10_000,
  inputBytes: 10_737_418_240,
  reportsPerBatch: 200,
  executionsPerFrame: 200,
} as const;
/** A lease without a heartbeat that names its execution ends after this long. */
export const EXECUTION_LEASE_S = 30;
export const HTTP_WORKER_BEAT_S = 30;
export const HTTP_WORKER_LEASE_S = 90;
export const HTTP_WORKER_POLL_S = 10;
/** Safety pass of the scheduler; events wake it sooner. */
export const SCHEDULER_PASS_MS = 5_000;
/** One credit is this many micro-dollars. */
export const MICRO_PER_CREDIT = 1_000n;
export const REPUTATION = { agree: 5, disagree: -10, offline: -20, brokenRental: -15, rentalDay: 1 } as const;
