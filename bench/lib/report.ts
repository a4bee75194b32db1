import { cpus, totalmem } from 'node:os';
import { benchReportSchema, type BenchReport } from '@hearth/contract';

export type Figure = BenchReport['figures'][number];

/** A figure with a bound: `most` or `least` says which side is good. */
export function figure(
  name: string,
  value: number,
  unit: string,
  goal: { most: number } | { least: number },
): Figure {
  const rounded = Number(value.toPrecision(3));
  return 'most' in goal
    ? { name, value: rounded, unit, goal: `<= ${goal.most}`, ok: value <= goal.most }
    : { name, value: rounded, unit, goal: `>= ${goal.least}`, ok: value >= goal.least };
}

/** A figure that explains others and has no goal of its own. */
export const context = (name: string, value: number, unit: string): Figure => ({
  ...{ name, unit, goal: '-', ok: true },
  value: Number(value.toPrecision(3)),
});

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return sorted.length % 2 === 1 ? at(Math.floor(middle)) : (at(middle - 1) + at(middle)) / 2;
}

/** Prints the table (or JSON with --json) and, with --check, fails where a figure misses its goal. */
export function report(figures: Figure[], accelerator: string): void {
  const machine: BenchReport['machine'] = {
    cpus: cpus().length,
    cpuModel: cpus()[0]?.model ?? 'unknown',
    memMiB: Math.round(totalmem() / 1024 / 1024),
    accelerator,
    node: process.version,
    date: new Date().toISOString(),
  };
  const whole = benchReportSchema.parse({ figures, machine });
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(whole, null, 2)}\n`);
  } else {
    const width = Math.max(...figures.map(({ name }) => name.length));
    for (const { name, value, unit, goal, ok } of figures) {
      process.stdout.write(
        `${name.padEnd(width)}  ${String(value).padStart(9)} ${unit.padEnd(6)}  ${goal.padEnd(9)} ${goal === '-' ? '' : ok ? 'ok' : 'MISSED'}\n`,
      );
    }
    process.stdout.write(
      `${machine.cpus} x ${machine.cpuModel}, ${machine.memMiB} MiB, ${accelerator}, Node ${machine.node}\n`,
    );
  }
  if (process.argv.includes('--check') && figures.some(({ ok }) => !ok)) process.exitCode = 1;
}

/** What goes on, on standard error, so that --json stays clean. */
export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
