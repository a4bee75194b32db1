import { parseArgs } from 'node:util';
import { faults } from './catalogue.ts';
import type { Fault } from './fault.ts';
import { openFaultRoom } from './fault-room.ts';
import { formatHead, formatList, formatTrial, formatVerdict } from './trial-table.ts';
import { makeTrials, type Trial } from './trials.ts';

const USAGE = 'usage: hearth lab faults [--only NAME…] [--list] [--json]\n';

function readOptions(args: string[]): { only: string[]; list: boolean; json: boolean } {
  const { values, positionals } = parseArgs({
    args,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  return { ...values, only: [...values.only, ...positionals] };
}

function choose(names: readonly string[]): readonly Fault[] {
  const unknown = names.filter((name) => !faults.some((fault) => fault.name === name));
  if (unknown.length > 0) throw new Error(`there is no fault ${unknown.join(', ')}; --list shows all`);
  return names.length === 0 ? faults : faults.filter(({ name }) => names.includes(name));
}

const listed = (chosen: readonly Fault[]): object[] =>
  chosen.map(({ name, title, kind, expects, spoils }) => ({ name, title, kind, expects, spoils }));

/** @returns whether all were named right and nothing was left */
async function run(chosen: readonly Fault[], json: boolean, signal: AbortSignal): Promise<boolean> {
  const say = (text: string): void => void (json ? process.stderr : process.stdout).write(`${text}\n`);
  say('A Hearth of its own is started…');
  const room = await openFaultRoom([...new Set(chosen.map(({ kind }) => kind))], signal);
  const trials: Trial[] = [];
  let left: string[] = [];
  try {
    const tryFault = makeTrials(room);
    say(formatHead());
    for (const fault of chosen) {
      const trial = await tryFault(fault);
      trials.push(trial);
      say(formatTrial(trial));
    }
    left = await room.leftovers();
  } finally {
    await room.dispose();
  }
  const right = trials.filter((trial) => trial.right).length;
  if (json) process.stdout.write(`${JSON.stringify({ trials, right, of: chosen.length, left }, null, 2)}\n`);
  say(formatVerdict(trials, left));
  return right === chosen.length && left.length === 0;
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  let chosen: readonly Fault[];
  try {
    options = readOptions(process.argv.slice(2));
    chosen = choose(options.only);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
  if (options.list) {
    process.stdout.write(options.json ? `${JSON.stringify(listed(chosen), null, 2)}\n` : formatList(chosen));
    return 0;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('the fault lab makes namespaces and VMs: run it as root\n');
    return 1;
  }
  const ending = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => ending.abort(new Error(`ended by ${name}`)));
  try {
    return (await run(chosen, options.json, ending.signal)) ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return ending.signal.aborted ? 130 : 1;
  }
}

process.exitCode = await main();
