import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { benchReportSchema } from '@hearth/contract';

/**
 * Puts the figures of a bench into docs/specification.md, between its marks:
 *   ./hearth bench boot --json | node bench/lib/write-specification.ts boot
 */
const [name = ''] = process.argv.slice(2);
const path = join(import.meta.dirname, '../../docs/specification.md');

let input = '';
for await (const chunk of process.stdin) input += String(chunk);
const { figures, machine } = benchReportSchema.parse(JSON.parse(input));

const rows = figures.map(
  ({ name: what, value, unit, goal, ok }) =>
    `| ${what.trim()} | ${value} ${unit} | ${goal} | ${goal === '-' ? '' : ok ? 'met' : '**missed**'} |`,
);
const table = [
  `Measured ${machine.date.slice(0, 10)} on ${machine.cpus} × ${machine.cpuModel}, ${Math.round(machine.memMiB / 1024)} GiB, accelerator ${machine.accelerator}, Node ${machine.node}.`,
  '',
  '| figure | value | goal | |',
  '|---|---|---|---|',
  ...rows,
].join('\n');
const text = await readFile(path, 'utf8');
const [begin, end] = [`<!-- bench ${name} -->`, `<!-- /bench ${name} -->`];
if (!text.includes(begin) || !text.includes(end))
  throw new Error(`docs/specification.md has no marks ${begin} … ${end}`);
const before = text.slice(0, text.indexOf(begin) + begin.length);
await writeFile(path, `${before}\n${table}\n${text.slice(text.indexOf(end))}`);
