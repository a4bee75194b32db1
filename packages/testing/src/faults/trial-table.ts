import type { Fault } from './fault.ts';
import type { Trial } from './trials.ts';

const [FAULT, NAMED, RIGHT, LAYER, SECONDS] = [24, 24, 6, 16, 7];

const row = (fault: string, named: string, right: string, layer: string, seconds: string): string =>
  [
    fault.padEnd(FAULT),
    named.padEnd(NAMED),
    right.padEnd(RIGHT),
    layer.padEnd(LAYER),
    seconds.padStart(SECONDS),
  ].join(' ');

export const formatHead = (): string => row('fault', 'named as', 'right?', 'the layer', 'seconds');

export function formatTrial({ fault, named, right, layer, detail, tookMs }: Trial): string {
  const line = row(fault, named ?? '–', right ? 'yes' : 'NO', layer ?? '–', (tookMs / 1000).toFixed(1));
  return right ? line : `${line}\n  ${detail.replaceAll('\n', '\n  ')}`;
}

export function formatVerdict(trials: readonly Trial[], left: readonly string[]): string {
  const right = trials.filter((trial) => trial.right).length;
  const seconds = trials.reduce((sum, { tookMs }) => sum + tookMs, 0) / 1000;
  const nothing =
    left.length === 0 ? 'nothing is left of their VMs' : `left of their VMs: ${left.join(', ')}`;
  return `${right} of ${trials.length} faults named right in ${seconds.toFixed(0)} s; ${nothing}`;
}

export const formatList = (faults: readonly Fault[]): string =>
  faults
    .map(({ name, expects, title }) => `${name.padEnd(FAULT)} ${expects.padEnd(NAMED)} ${title}\n`)
    .join('');
