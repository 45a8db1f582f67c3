-- What was decided stays decided (I5): a task its result, a run what it came to, a verdict its pay and points. The whole of this
-- migration; tried by guards-jobs.spec.ts. The conditions are looked at without entering a function, so that a tally pays nothing for them.
CREATE TRIGGER task_decided_once BEFORE UPDATE ON "Task" FOR EACH ROW
  WHEN (OLD.status IN ('final', 'failed', 'cancelled')
    AND (NEW.status, NEW."resultHash", NEW."canonicalId", NEW."decidedAt") IS DISTINCT FROM (OLD.status, OLD."resultHash", OLD."canonicalId", OLD."decidedAt"))
  EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER execution_ended_once BEFORE UPDATE ON "JobExecution" FOR EACH ROW
  WHEN (OLD.status IN ('reported', 'errored', 'expired', 'unneeded')
    AND (NEW.status, NEW.copy, NEW.attempt, NEW.purpose, NEW."nodeId", NEW."ownerId", NEW."distinctKey", NEW."resultHash", NEW."faultBlame", NEW."completedAt")
      IS DISTINCT FROM (OLD.status, OLD.copy, OLD.attempt, OLD.purpose, OLD."nodeId", OLD."ownerId", OLD."distinctKey", OLD."resultHash", OLD."faultBlame", OLD."completedAt"))
  EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER execution_judged_once BEFORE UPDATE ON "JobExecution" FOR EACH ROW
  WHEN (OLD.verdict <> 'none' AND (NEW.verdict, NEW."reputationDelta") IS DISTINCT FROM (OLD.verdict, OLD."reputationDelta"))
  EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER execution_paid_once BEFORE UPDATE ON "JobExecution" FOR EACH ROW
  WHEN (OLD."transferId" IS NOT NULL AND (NEW."paidMicro", NEW."transferId") IS DISTINCT FROM (OLD."paidMicro", OLD."transferId"))
  EXECUTE FUNCTION muster_refuse_change();
