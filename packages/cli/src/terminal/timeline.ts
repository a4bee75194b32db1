import { splitPhases, type PhaseMark, type Vm } from '@hearth/contract';
import { formatDuration } from './duration.ts';
import type { Paint } from './output.ts';
import { originInWords, phaseWords } from './phase-words.ts';

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar that begins and ends in proportion to the whole; what took any time at all shows as a sliver. */
function bar(fromMs: number, toMs: number, totalMs: number, width: number): string {
  const scale = totalMs === 0 ? 0 : width / totalMs;
  const start = Math.min(width - 1, Math.floor(fromMs * scale));
  const eighths = Math.max(1, Math.round((toMs - fromMs) * scale * 8));
  return ' '.repeat(start) + '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
}

/**
 * The phases of the last start up to `ready`, one bar each, with the milliseconds that each took and the total. What came
 * later, when someone looked, has its time and no bar: nobody was waiting for it in between.
 */
export function renderTimeline(
  vm: Pick<Vm, 'id' | 'kind' | 'state' | 'origin' | 'timeline'>,
  columns: number,
  paint: Paint,
): string {
  const { toReady, later } = splitPhases(vm.timeline.phases);
  const last = toReady.at(-1);
  const origin = originInWords(vm);
  const head = `${paint.bold(vm.id)}  ${vm.kind}  ${vm.state}${origin === null ? '' : `  from ${origin}`}`;
  if (last === undefined) return `${head}\nno phase was reached yet`;
  const totalMs = last.atMs;
  const label = (ms: number): string => `${Math.round(ms)} ms`.padStart(9);
  const width = Math.max(10, Math.min(60, columns - 24));
  const rows = toReady.map(({ phase, atMs }, index) => {
    const fromMs = toReady[index - 1]?.atMs ?? 0;
    return `${phase.padEnd(9)} ${label(atMs - fromMs)}  ${paint.accent(bar(fromMs, atMs, totalMs, width))}`;
  });
  const ended = last.phase !== 'ready' ? `until ${last.phase}, then: ${vm.state}` : 'to ready';
  return [
    head,
    ...rows,
    `${'total'.padEnd(9)} ${label(totalMs)}  ${formatDuration(totalMs)} ${ended}`,
    ...later.map(
      ({ phase, atMs }, index) =>
        `${phase.padEnd(11)} at ${formatDuration(atMs)}${sinceThaw(later[index - 1], atMs)}: ${phaseWords[phase]}`,
    ),
  ].join('\n');
}

const sinceThaw = (before: PhaseMark | undefined, atMs: number): string =>
  before?.phase === 'thaw' ? `, ${formatDuration(atMs - before.atMs)} after thaw` : '';
