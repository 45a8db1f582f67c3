import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that wait for a server to be built (`builds-ahead.ts`): they would hold every worker while others could run. */
const WAITING = /\/(influx|stores|compose)[\w.-]*\.spec\.ts$/;

/** vitest's own order, but for those files, which come last. */
export class WaitingLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const waits = ({ moduleId }: TestSpecification): boolean => WAITING.test(moduleId);
    return [...sorted.filter((file) => !waits(file)), ...sorted.filter(waits)];
  }
}
