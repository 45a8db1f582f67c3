import { Prisma, type Job } from '@muster/prisma';
import type { Tx } from '../../platform/db.js';
import { newId } from '../../platform/ids.js';
import { creditsRequired } from '../price.rules.js';
import type { PlannedJob } from './plan.js';
import type { TaskDraft } from './split.rules.js';

/** Tasks in one statement: enough that the way to Postgres is nothing beside the rows. */
const TASKS_AT_ONCE = 5_000;
/** Room for more copies than a task may ever have, between the ids of one task and the next. */
const COPIES_PER_TASK = 32;

export interface NewJob {
  id: string;
  submittedBy: string;
  now: Date;
}

export async function insertJob(tx: Tx, { id, submittedBy, now }: NewJob, { draft, price, tasks, waitingFor }: PlannedJob): Promise<Job> {
  const { need, spec } = draft;
  return await tx.job.create({
    data: {
      id, submittedBy, submittedAt: now, spec,
      name: draft.name,
      description: draft.description,
      dockerImage: need.image,
      command: draft.command,
      environment: draft.environment,
      inputData: draft.inputData,
      requiredCpu: need.cpuCores,
      requiredMemory: Math.ceil(need.memoryMb / 1024),
      memoryMb: need.memoryMb,
      diskGb: need.diskGb,
      numGpus: need.numGpus,
      requiredGpu: need.numGpus > 0,
      redundancy: draft.redundancy,
      consensus: draft.consensus,
      maxCopies: draft.maxCopies,
      maxErrors: draft.maxErrors,
      distinctBy: draft.distinctBy,
      minReputation: need.minReputation,
      timeoutS: draft.timeoutS,
      waitingCode: waitingFor?.code ?? null,
      waitingMessage: waitingFor?.message ?? null,
      creditsRequired: creditsRequired(price.holdMicro),
      rateCapMicroHour: price.rateCapMicroHour,
      heldMicro: price.holdMicro,
      tasksTotal: tasks.length,
    },
  });
}

/** The tasks of a job and the first `redundancy` copies of each, ready to be leased. Ids grow with task and copy. */
export async function insertTasks(tx: Tx, { id, now }: NewJob, tasks: readonly TaskDraft[], redundancy: number): Promise<void> {
  for (let from = 0; from < tasks.length; from += TASKS_AT_ONCE) {
    await insertSome(tx, { jobId: id, now }, tasks.slice(from, from + TASKS_AT_ONCE), redundancy);
  }
}

async function insertSome(tx: Tx, { jobId, now }: { jobId: string; now: Date }, tasks: readonly TaskDraft[], redundancy: number): Promise<void> {
  const rows = JSON.stringify(tasks.map(({ slice: _slice, ...task }) => ({ ...task, id: newId() })));
  await tx.$executeRaw`
    WITH t AS MATERIALIZED (
      SELECT * FROM json_to_recordset(${rows}::json) AS t(id uuid, index int, label text, environment jsonb, part jsonb)
    ), tasks AS (
      INSERT INTO "Task" (id, "jobId", index, label, environment, part, copies)
      SELECT t.id, ${jobId}::uuid, t.index, t.label, t.environment, nullif(t.part, 'null'::jsonb), ${redundancy}::int FROM t
    )
    INSERT INTO "JobExecution" (id, "jobId", "taskId", copy, "createdAt")
    SELECT ${executionId(now)}, ${jobId}::uuid, t.id, c.copy, ${now.toISOString()}::timestamptz FROM t CROSS JOIN generate_series(0, ${redundancy - 1}::int) AS c(copy) ORDER BY t.index, c.copy`;
}

/**
 * A UUID of version 7 whose middle is the number of the copy: the copies of a job sort as its tasks do, which keeps the
 * index together, and 40 random bits tell the jobs of one millisecond apart.
 */
function executionId(now: Date): Prisma.Sql {
  const time = now.getTime().toString(16).padStart(12, '0');
  const prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
  const number = Prisma.sql`lpad(to_hex(t.index * ${COPIES_PER_TASK}::int + c.copy), 8, '0')`;
  return Prisma.sql`(${prefix} || substr(${number}, 1, 3) || '-8' || substr(${number}, 4, 3) || '-' || substr(${number}, 7, 2) || right(gen_random_uuid()::text, 10))::uuid`;
}
