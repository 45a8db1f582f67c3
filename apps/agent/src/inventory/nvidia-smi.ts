import { type SmiReading, smiFault } from './gpu-reading.js';
import { parseComputeCaps, parseSmiFailure, parseSmiXml } from './nvidia-smi-parse.rules.js';
import { runTool, type ToolRun } from './run-tool.js';

export interface NvidiaSmi {
  /** One `nvidia-smi -q -x`. Answers within the timeout; a caller that comes while one is running joins it. */
  read(): Promise<SmiReading>;
  /** Compute capability ×100 by UUID; empty where the tool does not know the query. */
  computeCaps(): Promise<Map<string, number>>;
}

export interface NvidiaSmiOptions {
  /** Default `nvidia-smi`, looked up in PATH. */
  path?: string;
  timeoutMs?: number;
}

/** As long as one that hung is not gone, no other is started: they would pile up in the kernel. */
export function nvidiaSmi({ path = 'nvidia-smi', timeoutMs = 5_000 }: NvidiaSmiOptions = {}): NvidiaSmi {
  let alive = 0;
  let reading: Promise<SmiReading> | null = null;
  const run = (...args: string[]): Promise<ToolRun> => {
    alive += 1;
    return runTool(path, args, { timeoutMs, onExit: () => void (alive -= 1) });
  };
  const readOnce = async (): Promise<SmiReading> => {
    if (alive > 0) return smiFault('timed_out', 'an nvidia-smi that does not answer is still running');
    return meaningOf(await run('-q', '-x'), timeoutMs);
  };
  return {
    read: () => {
      reading ??= readOnce().finally(() => {
        reading = null;
      });
      return reading;
    },
    computeCaps: async () => {
      if (alive > 0) return new Map();
      const caps = await run('--query-gpu=uuid,compute_cap', '--format=csv,noheader');
      return caps.kind === 'done' ? parseComputeCaps(caps.stdout) : new Map();
    },
  };
}

function meaningOf(run: ToolRun, timeoutMs: number): SmiReading {
  switch (run.kind) {
    case 'missing':
      return smiFault('absent', 'there is no nvidia-smi on this machine');
    case 'timed_out':
      return smiFault('timed_out', `nvidia-smi did not answer within ${timeoutMs / 1000} s`);
    case 'too_much_output':
      return smiFault('unreadable', 'nvidia-smi printed more than a report has');
    case 'done': {
      const report = parseSmiXml(run.stdout);
      return report.ok || run.exitCode === 0 ? report : parseSmiFailure(run.exitCode, `${run.stdout}\n${run.stderr}`);
    }
  }
}
