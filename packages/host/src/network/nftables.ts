import { HearthError, parseWith } from '@hearth/contract';
import { z } from 'zod';
import type { Run } from './run-port.ts';
import type { Command, Family, Json } from './firewall-expressions.ts';

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.json())) });

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

/** A table as the kernel has it: its rules in a form that can be compared, and the elements of its sets. */
export interface TableListing {
  /** Chains, rules and sets, without handles and elements. */
  rules: string;
  /** Elements of each set, each as text, sorted. */
  elements: Record<string, string[]>;
}

/** null where there is no such table. */
export async function listTable(
  run: Run,
  family: Family,
  table: string,
  signal?: AbortSignal,
): Promise<TableListing | null> {
  const { stdout, stderr, exitCode } = await run('nft', ['-j', 'list', 'table', family, table], {
    code: 'network_failed',
    okCodes: [0, 1],
    ...(signal === undefined ? {} : { signal }),
  });
  if (exitCode !== 0) {
    if (stderr.includes('No such file or directory')) return null;
    throw new HearthError('network_failed', `nft list table ${family} ${table}: ${stderr}`);
  }
  const { nftables } = parseWith(listingSchema, JSON.parse(stdout), 'network_failed', 'answer of nft');
  const elements: Record<string, string[]> = {};
  const rules = nftables.flatMap((object) => {
    const [kind] = Object.keys(object);
    if (kind === undefined || kind === 'metainfo') return [];
    const content = { ...(object[kind] as Record<string, Json>) };
    delete content['handle'];
    if (kind === 'set') {
      const elem = content['elem'];
      const setName = typeof content['name'] === 'string' ? content['name'] : '';
      delete content['elem'];
      elements[setName] = (Array.isArray(elem) ? elem : []).map(elementText).sort();
    }
    return [JSON.stringify({ [kind]: content })];
  });
  return { rules: rules.join('\n'), elements };
}

const elementText = (element: Json): string => {
  const parts =
    element !== null && typeof element === 'object' && !Array.isArray(element) ? element['concat'] : element;
  return Array.isArray(parts) ? parts.map(String).join(' ') : JSON.stringify(parts ?? element);
};

/** Removes a table; false where there was none. */
export async function deleteTable(
  run: Run,
  family: Family,
  table: string,
  signal?: AbortSignal,
): Promise<boolean> {
  if ((await listTable(run, family, table, signal)) === null) return false;
  await applyRules(run, [{ delete: { table: { family, name: table } } }], signal);
  return true;
}

const chainsSchema = z.object({
  nftables: z.array(
    z.object({
      chain: z
        .object({
          family: z.string(),
          table: z.string(),
          name: z.string(),
          hook: z.string().optional(),
          policy: z.string().optional(),
        })
        .optional(),
    }),
  ),
});

/** Chains that drop forwarded IPv4 packets unless a rule of theirs accepts them, such as Docker's: our accept can't overrule them. */
export async function dropsForwarded(run: Run, signal: AbortSignal): Promise<string[]> {
  const { stdout } = await run('nft', ['-j', 'list', 'chains'], { signal, code: 'network_failed' });
  const { nftables } = parseWith(chainsSchema, JSON.parse(stdout), 'network_failed', 'answer of nft');
  return nftables.flatMap(({ chain }) =>
    chain?.hook === 'forward' && chain.policy === 'drop' && ['ip', 'inet'].includes(chain.family)
      ? [`${chain.family} ${chain.table} ${chain.name}`]
      : [],
  );
}
