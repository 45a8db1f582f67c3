import { HttpError, type InfluxDB } from '@influxdata/influxdb-client';
import { BucketsAPI, OrgsAPI, TasksAPI } from '@influxdata/influxdb-client-apis';
import { TELEMETRY_TIERS } from '@muster/shared-types';
import { bucketOf, taskScripts } from './flux.rules.js';

/** Makes what is missing: a bucket per tier and the tasks that fill the coarser ones. What a person changed in a bucket stays. */
export async function setUpInflux(influx: InfluxDB, org: string, prefix: string): Promise<void> {
  const orgID = await idOfOrg(influx, org);
  await ensureBuckets(influx, orgID, prefix);
  await ensureTasks(influx, orgID, prefix);
}

async function idOfOrg(influx: InfluxDB, org: string): Promise<string> {
  const { orgs } = await new OrgsAPI(influx).getOrgs({ org });
  const id = orgs?.[0]?.id;
  if (id === undefined) throw new Error(`InfluxDB has no organisation ${org} that this token may see`);
  return id;
}

async function ensureBuckets(influx: InfluxDB, orgID: string, prefix: string): Promise<void> {
  const api = new BucketsAPI(influx);
  for (const tier of TELEMETRY_TIERS) {
    const name = bucketOf(prefix, tier.name);
    const found = await api.getBuckets({ orgID, name }).catch(absent);
    if (found?.buckets?.length) continue;
    await api.postBuckets({ body: { orgID, name, retentionRules: [{ type: 'expire', everySeconds: tier.keptS }] } }).catch(madeMeanwhile);
  }
}

async function ensureTasks(influx: InfluxDB, orgID: string, prefix: string): Promise<void> {
  const api = new TasksAPI(influx);
  for (const { name, flux } of taskScripts(prefix)) {
    const [known] = (await api.getTasks({ orgID, name })).tasks ?? [];
    if (known === undefined) await api.postTasks({ body: { orgID, flux } });
    else if (known.flux !== flux) await api.patchTasksID({ taskID: known.id, body: { flux } });
  }
}

const absent = (error: unknown): undefined => {
  if (error instanceof HttpError && error.statusCode === 404) return undefined;
  throw error;
};

/** Another replica was faster. */
const madeMeanwhile = (error: unknown): undefined => {
  if (error instanceof HttpError && error.statusCode === 422) return undefined;
  throw error;
};
