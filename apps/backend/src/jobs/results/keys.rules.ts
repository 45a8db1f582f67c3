import { JOB_LIMITS } from '@muster/shared-types';

/** Where things of jobs lie in the storage. */
export const uploadKey = (uploadId: string): string => `inputs/${uploadId}`;
/** The archive as a node uploaded it; believed only after it was looked through. */
export const archiveKey = (jobId: string, executionId: string): string => `results/${jobId}/${executionId}.tar`;
/** The archive of a task's result, looked through against its manifest. */
export const taskArchiveKey = (jobId: string, taskIndex: number): string => `results/${jobId}/${taskIndex}.tar`;
/** Standard output of a task, where something else has to fetch it. */
export const taskOutputKey = (jobId: string, taskIndex: number): string => `results/${jobId}/${taskIndex}.out`;
export const resultsFolder = (jobId: string): string => `results/${jobId}/`;
export const aggregateKey = (jobId: string): string => `aggregates/${jobId}`;

/** What an aggregate, or the archive of one task, may have: the files, and for an archive the headers between them. */
export const MAX_AGGREGATE_BYTES = JOB_LIMITS.outputBytes;
export const MAX_ARCHIVE_BYTES = JOB_LIMITS.outputBytes + 32 * 1024 * 1024;
/** A job with a container as aggregator has at most this many tasks: each result is an input of it. */
export const MAX_AGGREGATED_TASKS = 1_000;

/** Objects of the market's own bucket that every account may name as `s3://` inputs lie below this. Everything else in it is somebody's. */
export const SHARED_FOLDER = 'datasets/';
