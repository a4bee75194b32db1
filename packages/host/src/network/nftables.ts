import type { Command, Family } from './firewall-expressions.ts';
import { listRuleset, tableOf } from './ruleset.ts';
import type { Run } from './run-port.ts';

/** Applies all commands or none of them. */
export async function applyRules(
  run: Run,
  commands: readonly Command[],
  signal?: AbortSignal,
): Promise<void> {
  // `nft -f -` opens /dev/stdin, which fails for the socket that Node gives a child; hence the pipe.
  await run('sh', ['-c', 'cat | nft -j -f -'], {
    input: JSON.stringify({ nftables: commands }),
    code: 'network_failed',
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Removes a table; false where there was none. */
export async function deleteTable(
  run: Run,
  family: Family,
  table: string,
  signal?: AbortSignal,
): Promise<boolean> {
  if (tableOf(await listRuleset(run, signal), family, table) === null) return false;
  await applyRules(run, [{ delete: { table: { family, name: table } } }], signal);
  return true;
}
