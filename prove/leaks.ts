import { parseArgs } from 'node:util';
import { cycleFakeVms } from './lib/fake-cycles.ts';
import { cycleRealVms } from './lib/real-cycles.ts';
import type { Measured } from './lib/measured.ts';

/**
 * `node prove/leaks.ts [--short] [--only fake,real] [--json]`, as root: creates and deletes VMs, 1,000 on a fake VMM and 30 real ones, and
 * compares what there is before and after: everything that a VM takes, open files, memory of both daemons. Exit code 1
 * where something grew.
 */
const parts = ['fake', 'real'];
const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: parts.join() },
    json: { type: 'boolean', default: false },
  },
});
const wanted = options.only.split(',');
const unknown = wanted.filter((part) => !parts.includes(part));
if (unknown.length > 0) {
  process.stderr.write(`--only: ${unknown.join(', ')}: known are ${parts.join(', ')}\n`);
  process.exit(2);
}
const say = (text: string): void => {
  if (!options.json) process.stdout.write(`${text}\n`);
};

const results: Measured[] = [];
if (wanted.includes('fake')) results.push(...(await cycleFakeVms(options.short ? 200 : 1000, say)));
if (wanted.includes('real')) results.push(...(await cycleRealVms(options.short ? 4 : 30, say)));

if (options.json) process.stdout.write(`${JSON.stringify({ results })}\n`);
const width = Math.max(...results.map(({ name }) => name.length));
for (const { name, before, after, unit, ok, allowed } of results)
  say(
    `${ok ? '✓' : '✗'} ${name.padEnd(width)}  ${String(before).padStart(8)} → ${String(after).padStart(8)} ${unit}` +
      (allowed === 0 ? '' : `  (may grow by ${allowed})`),
  );
const grown = results.filter(({ ok }) => !ok).length;
say(grown === 0 ? 'Nothing leaked.' : `${grown} counts grew.`);
process.exitCode = grown === 0 ? 0 : 1;
