import { parseWith, type Progress } from '@hearth/contract';
import { addressesSchema } from './conflicts.ts';
import { parseList } from './ip-json.ts';
import type { Run } from './run-port.ts';

/** Gives an interface one address and takes others from it, as an earlier run had another configuration. */
export async function setOnlyAddress(
  run: Run,
  progress: Progress,
  prefixArgs: readonly string[],
  dev: string,
  cidr: string,
): Promise<void> {
  const options = { signal: progress.signal, code: 'network_failed' as const };
  const { stdout } = await run('ip', [...prefixArgs, '-4', '-j', 'addr', 'show', 'dev', dev], options);
  const found = parseWith(addressesSchema, parseList(stdout), 'network_failed', 'ip addr').flatMap(
    ({ addr_info: infos = [] }) =>
      infos.flatMap(({ local, prefixlen }) => (local === undefined ? [] : [`${local}/${prefixlen ?? 32}`])),
  );
  for (const other of found.filter((one) => one !== cidr))
    await run('ip', [...prefixArgs, 'addr', 'del', other, 'dev', dev], options);
  if (!found.includes(cidr))
    await run('ip', [...prefixArgs, 'addr', 'add', cidr, 'brd', '+', 'dev', dev], options);
}
