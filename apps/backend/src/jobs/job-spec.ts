import { Aggregate, Compare, JobInput, TaskPlan } from '@muster/shared-types';
import { z } from 'zod';

/** `Job.spec`: of the submission what has no column of its own. `input_data` is one more inline input, at `/input/data`. */
export const JobSpec = z.object({
  inputs: z.array(JobInput),
  outputs: z.literal('/output').nullable(),
  network: z.enum(['none', 'egress']),
  gpu_ram_mb: z.number().int(),
  gpu_name: z.string().nullable(),
  capabilities: z.array(z.string()),
  geolocation: z.string().nullable(),
  compare: Compare,
  tasks: TaskPlan,
  aggregate: Aggregate,
});
export type JobSpec = z.infer<typeof JobSpec>;

/** A part that lies in the row of its task is at most this long, in characters; a longer one is an upload. */
export const PART_INLINE_CHARS = 65_536;

const LinesOf = { kind: z.literal('lines'), path: z.string(), from_line: z.number().int(), to_line: z.number().int() };

/**
 * `Task.part`: which part of the job's input a task sees; null for all of it.
 * `lines`: at `path` lies this part instead of the whole (lines counted from 1, both ends included).
 * `files`: of the inputs below the folder `path` only these are there.
 */
export const TaskPart = z.union([
  z.object({ ...LinesOf, data: z.string(), encoding: z.enum(['utf8', 'base64']) }),
  z.object({ ...LinesOf, upload_id: z.string(), sha256: z.string(), size: z.number().int() }),
  z.object({ kind: z.literal('files'), path: z.string(), files: z.array(z.string()) }),
]);
export type TaskPart = z.infer<typeof TaskPart>;
