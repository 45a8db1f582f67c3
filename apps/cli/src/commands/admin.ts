import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { facts, usd } from '../output/words.js';
import { openAccess } from './access.js';
import { registerAdminViews } from './admin-views.js';

export function registerAdmin(program: Command, context: CliContext): void {
  const admin = program.command('admin').description('For operators of the market');
  admin
    .command('grant')
    .description('Grant test credit')
    .argument('<email>')
    .argument('<amount>', 'in USD')
    .addHelpText('after', '\nExample:\n  muster admin grant ann@example.com 25')
    .action((email: string, amount: string) => grant(context, email, amount));
  admin
    .command('reset-password')
    .description('Set a new random password and end all sessions')
    .argument('<email>')
    .addHelpText('after', '\nExample:\n  muster admin reset-password ann@example.com')
    .action((email: string) => resetPassword(context, email));
  admin
    .command('check-ledger')
    .description('Run every money invariant')
    .addHelpText('after', '\nExample:\n  muster admin check-ledger')
    .action(() => checkLedger(context));
  registerAdminViews(admin, context);
}

async function grant({ io, config }: CliContext, email: string, amount: string): Promise<void> {
  const { client } = await openAccess(config);
  const result = await client.call('grantCredit', { body: { email, amount_usd: amount }, idempotencyKey: randomUUID() });
  if (io.json) return sayJson(io, result);
  say(io, `${io.paint.green('✓')} ${result.email} was granted ${usd(result.granted_usd)} and has ${usd(result.balance_usd)} now.`);
}

async function resetPassword({ io, config }: CliContext, email: string): Promise<void> {
  const { client } = await openAccess(config);
  const result = await client.call('resetPassword', { body: { email } });
  if (io.json) return sayJson(io, result);
  say(io, facts(io, [['account', result.account.email], ['password', io.paint.bold(result.password)]]));
  say(io, '\nIt is not shown again. All sessions of the account have ended.');
}

async function checkLedger({ io, config }: CliContext): Promise<void> {
  const { client } = await openAccess(config);
  const result = await client.call('checkLedger', {});
  if (io.json) sayJson(io, result);
  for (const check of result.checks) {
    say(io, `${check.ok ? io.paint.green('✓') : io.paint.red('✗')} ${check.title}${check.ok ? '' : io.paint.red(`  ${check.violations} violations: ${check.sample.join(', ')}`)}`);
  }
  if (!result.ok) throw new CliError('The ledger does not add up.', EXIT.refused, 'Nothing is repaired by itself. Corrections are new transfers.');
}
