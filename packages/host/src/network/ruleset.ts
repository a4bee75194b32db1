import { HearthError, parseWith } from '@hearth/contract';
import { z } from 'zod';
import type { Family, Json } from './firewall-expressions.ts';
import type { Run } from './run-port.ts';

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.json())) });

/** One object of the kernel's rules: `chain`, `rule`, `set`, … with what it holds. */
interface RulesetObject {
  kind: string;
  content: Record<string, Json>;
}
/** All rules of a network namespace, as nft lists them. */
export type Ruleset = readonly RulesetObject[];

export function parseRuleset(text: string): Ruleset {
  const { nftables } = parseWith(listingSchema, JSON.parse(text), 'network_failed', 'answer of nft');
  return nftables.flatMap((object) => {
    const [kind] = Object.keys(object);
    return kind === undefined || kind === 'metainfo'
      ? []
      : [{ kind, content: object[kind] as Record<string, Json> }];
  });
}

/** Throws network_failed. */
export async function listRuleset(run: Run, signal?: AbortSignal): Promise<Ruleset> {
  const { stdout } = await run('nft', ['-j', 'list', 'ruleset'], {
    code: 'network_failed',
    ...(signal === undefined ? {} : { signal }),
  });
  return parseRuleset(stdout);
}

/** A table as the kernel has it: its rules in a form that can be compared, and the elements of its sets. */
export interface TableListing {
  /** Chains, rules and sets, without handles and elements. */
  rules: string;
  /** Elements of each set, each as text, sorted. */
  elements: Record<string, string[]>;
}

/** null where there is no such table. */
export function tableOf(ruleset: Ruleset, family: Family, table: string): TableListing | null {
  const isTable = ({ kind, content }: RulesetObject): boolean =>
    kind === 'table' && content['name'] === table;
  const objects = ruleset.filter(
    (object) => object.content['family'] === family && (isTable(object) || object.content['table'] === table),
  );
  if (!objects.some(isTable)) return null;
  const elements: Record<string, string[]> = {};
  const rules = objects.map(({ kind, content }) => {
    const kept = { ...content };
    delete kept['handle'];
    if (kind === 'set') {
      const { elem, name } = kept;
      delete kept['elem'];
      if (typeof name === 'string')
        elements[name] = (Array.isArray(elem) ? elem : []).map(elementText).sort();
    }
    return JSON.stringify({ [kind]: kept });
  });
  return { rules: rules.join('\n'), elements };
}

const elementText = (element: Json): string => {
  const parts =
    element !== null && typeof element === 'object' && !Array.isArray(element) ? element['concat'] : element;
  return Array.isArray(parts) ? parts.map(String).join(' ') : JSON.stringify(parts ?? element);
};

/** Throws network_failed where the table is not there. */
export function requireTable(ruleset: Ruleset, family: Family, table: string): TableListing {
  const found = tableOf(ruleset, family, table);
  if (found === null)
    throw new HearthError('network_failed', `the table ${table} of family ${family} is not there`);
  return found;
}

const DROPPING_FAMILIES = ['ip', 'inet', 'bridge'];

interface DropsOptions {
  /** Tables of ours. */
  own: (family: string, table: string) => boolean;
  /** Where packets of VMs pass. */
  hooks: readonly string[];
  /** An interface of ours: a table that accepts what comes from it or goes to it was opened for us. */
  uplink?: string;
}

/**
 * Chains of others that drop whatever no rule of theirs accepts, by their policy or by a rule that matches everything, such as
 * Docker's: an accept of ours can't overrule them.
 */
export function dropsOfOthers(ruleset: Ruleset, { own, hooks, uplink }: DropsOptions): string[] {
  const rules = ruleset.filter(({ kind }) => kind === 'rule');
  return ruleset.flatMap(({ kind, content: { family, table, name, hook, policy } }) => {
    if (kind !== 'chain' || typeof hook !== 'string' || !hooks.includes(hook)) return [];
    if (typeof family !== 'string' || typeof table !== 'string' || typeof name !== 'string') return [];
    if (!DROPPING_FAMILIES.includes(family) || own(family, table)) return [];
    const inTable = rules.filter(({ content }) => content['family'] === family && content['table'] === table);
    if (uplink !== undefined && inTable.some(({ content }) => acceptsFor(content['expr'], uplink))) return [];
    const drops = policy === 'drop' ? 'by its policy' : null;
    const rule = inTable.some(({ content }) => content['chain'] === name && isPlainDrop(content['expr']))
      ? 'all that reaches one of its rules'
      : null;
    const how = drops ?? rule;
    return how === null ? [] : [`${family} ${table} ${name} (${hook}) drops ${how}`];
  });
}

const verbsOf = (expr: Json | undefined): string[] =>
  (Array.isArray(expr) ? expr : []).flatMap((part) =>
    part !== null && typeof part === 'object' && !Array.isArray(part) ? Object.keys(part) : [],
  );

/** Nothing but a drop, counted or not. */
const isPlainDrop = (expr: Json | undefined): boolean =>
  verbsOf(expr)
    .filter((verb) => verb !== 'counter')
    .join() === 'drop';

const acceptsFor = (expr: Json | undefined, uplink: string): boolean =>
  verbsOf(expr).includes('accept') &&
  (Array.isArray(expr) ? expr : []).some((part) => JSON.stringify(part).includes(`"right":"${uplink}"`));
