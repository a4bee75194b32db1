import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { countMachineTraces, type MachineTraces } from '@hearth/testing';
import { personAt } from '../e2e/signin/person.ts';
import { openSigninLab } from '../e2e/signin/signin-lab.ts';
import { untilHealthy } from './lib/daemons.ts';
import { hearthApi } from './lib/hearth-api.ts';
import { countWrites, describeKill, performKill, victims, type Kill, type Victim } from './lib/kills.ts';
import { makeOperations, operationNames, type Operation, type OperationName } from './lib/operations.ts';
import { printFailures, printLeakSum } from './lib/report.ts';
import { findLeaks, findLies, makeBystander, settle } from './lib/truth.ts';

/**
 * `node prove/crash.ts [--short] [--only create,host] [--json]`, as root: kills controller, host daemon, dnsmasq and VMMs in the middle of
 * what people do on real VMs, and checks after each death, once `hearth up` has run, that everything said is so, that what
 * should live answers, that it can be done again, and that nothing is left of it. Exit code 1 where that doesn't hold.
 */
const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});

/** A fixed sample: every operation, every victim. */
const sample: readonly Kill[] = [
  { operation: 'create', victim: 'controller', at: 2, side: 'after' },
  { operation: 'create', victim: 'host', at: 3, side: 'before' },
  { operation: 'create', victim: 'host', at: 9, side: 'after' },
  { operation: 'create', victim: 'dnsmasq', phase: 'resume' },
  { operation: 'create', victim: 'vmm', phase: 'identity' },
  { operation: 'delete', victim: 'controller', at: 1, side: 'after' },
  { operation: 'delete', victim: 'host', at: 2, side: 'after' },
  { operation: 'run', victim: 'controller', at: 5, side: 'after' },
  { operation: 'run', victim: 'vmm', phase: 'running' },
  { operation: 'sign-in', victim: 'host', at: 12, side: 'after' },
];

const wanted = options.only.split(',').filter((word) => word !== '');
const unknown = wanted.filter((word) => ![...operationNames, ...victims].some((name) => name === word));
if (unknown.length > 0) {
  process.stderr.write(
    `--only: ${unknown.join(', ')}: known are ${[...operationNames, ...victims].join(', ')}\n`,
  );
  process.exit(2);
}
const isWanted = <Name extends OperationName | Victim>(name: Name, all: readonly Name[]): boolean => {
  const among = all.filter((one) => wanted.includes(one));
  return among.length === 0 || among.includes(name);
};

interface KillResult {
  kill: string;
  killed: boolean;
  write: string | null;
  /** What its caller was told. */
  told: string | null;
  lies: string[];
  leaks: Partial<MachineTraces>;
  elapsedMs: number;
}

const say = (text: string): void => {
  if (!options.json) process.stdout.write(`${text}\n`);
};

async function plan(operations: readonly Operation[], count: Counter): Promise<Kill[]> {
  const kills: Kill[] = [];
  for (const operation of operations) {
    const { name, phases, vmmPhases } = operation;
    const writes = await count(operation);
    say(`${name}: ${writes.controller} writes of the controller, ${writes.host} of the host daemon`);
    for (const victim of ['controller', 'host'] as const)
      for (let at = 1; at <= writes[victim]; at += 1)
        for (const side of ['before', 'after'] as const) kills.push({ operation: name, victim, at, side });
    for (const phase of phases) kills.push({ operation: name, victim: 'dnsmasq', phase });
    for (const phase of vmmPhases) kills.push({ operation: name, victim: 'vmm', phase });
  }
  return kills;
}
type Counter = (operation: Operation) => Promise<Record<'controller' | 'host', number>>;

const folder = await mkdtemp(join(tmpdir(), 'hearth-prove-'));
// The controller is another user.
await chmod(folder, 0o711);
const started = performance.now();
await using site = await openSigninLab({
  // What is proven here must not be stopped for being broken so often.
  breaker: { minFailures: 1000 },
});
const { lab } = site;
const api = hearthApi(lab);
const person = personAt(site.world);
const accepted = new Set<Awaited<ReturnType<typeof api.vm>>['id']>();
const operations = makeOperations({ api, person, accepted: { vms: accepted } });
const operationOf = (name: OperationName): Operation => {
  const found = operations.find((operation) => operation.name === name);
  if (found === undefined) throw new Error(`no operation ${name}`);
  return found;
};
await untilHealthy(lab);
// Everybody has a credential to lose.
await operationOf('sign-in').perform(() => undefined);
const bystander = await makeBystander(lab, api);
const spared = { vm: bystander.id, vmmPid: bystander.vmmPid };
await findLeaks(lab, api, bystander, await countMachineTraces(lab.config));
const before = await countMachineTraces(lab.config);
say(`set up in ${seconds(started)}; counted before: ${JSON.stringify(before)}`);

async function survive(kill: Kill): Promise<KillResult> {
  const startMs = performance.now();
  const operation = operationOf(kill.operation);
  const lies: string[] = [];
  let leaks: Partial<MachineTraces> = {};
  let outcome = { killed: false, write: null as string | null, error: null as string | null };
  try {
    const credentialVersion = (await api.credentials())[0]?.version ?? 0;
    await operation.prepare();
    outcome = await performKill(kill, operation, { lab, spared, folder: join(folder, kill.victim) });
    await lab.up();
    await untilHealthy(lab);
    await settle(api, person);
    lies.push(...(await findLies({ lab, api, bystander, accepted, credentialVersion })));
    if (kill.victim === 'dnsmasq' && outcome.error !== null)
      lies.push(`it did not survive dnsmasq's death: ${outcome.error}`);
    await operation.prepare();
    await operation
      .perform(() => undefined)
      .catch((error: unknown) => lies.push(`it can't be done again: ${String(error)}`));
    leaks = await findLeaks(lab, api, bystander, before);
    accepted.clear();
  } catch (error) {
    lies.push(error instanceof Error ? error.message : String(error));
    // The next kill is judged for itself.
    await lab.up().catch((cause: unknown) => lies.push(`it does not come up again: ${String(cause)}`));
  }
  const { killed, write, error: told } = outcome;
  return {
    kill: describeKill(kill),
    killed,
    write,
    told,
    lies,
    leaks,
    elapsedMs: performance.now() - startMs,
  };
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

const chosen = operations.filter(({ name }) => isWanted(name, operationNames));
const all = options.short
  ? sample.filter(({ operation }) => isWanted(operation, operationNames))
  : await plan(chosen, async (operation) => {
      const writes = await countWrites(operation, lab, join(folder, 'count'));
      await findLeaks(lab, api, bystander, before);
      return writes;
    });
const kills = all.filter(({ victim }) => isWanted(victim, victims));
const results: KillResult[] = [];
for (const [index, kill] of kills.entries()) {
  const startMs = performance.now();
  const result = await survive(kill);
  results.push(result);
  const bad = result.lies.length > 0 || Object.keys(result.leaks).length > 0;
  const mark = bad ? '✗' : result.killed ? '✓' : '–';
  const not = result.killed ? '' : ` (not reached: ${result.told ?? 'it had ended'})`;
  say(
    `${mark} ${index + 1}/${kills.length} ${result.kill}${not}  ${seconds(startMs)}  ${result.write ?? ''}`,
  );
  printFailures(result, say);
}
await rm(folder, { recursive: true, force: true });

const failed = results.filter(({ lies, leaks }) => lies.length > 0 || Object.keys(leaks).length > 0);
const survived = results.filter((result) => result.killed && !failed.includes(result)).length;
if (options.json) process.stdout.write(`${JSON.stringify({ before, survived, results })}\n`);
say(printLeakSum(survived, results, before));
// A proof that killed nobody proves nothing.
process.exitCode = failed.length > 0 || survived === 0 ? 1 : 0;
