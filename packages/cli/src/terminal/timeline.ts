import type { Vm } from '@hearth/contract';
import { formatDuration } from './duration.ts';
import type { Paint } from './output.ts';

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar that begins and ends in proportion to the whole; what took any time at all shows as a sliver. */
function bar(fromMs: number, toMs: number, totalMs: number, width: number): string {
  const scale = totalMs === 0 ? 0 : width / totalMs;
  const start = Math.min(width - 1, Math.floor(fromMs * scale));
  const eighths = Math.max(1, Math.round((toMs - fromMs) * scale * 8));
  return ' '.repeat(start) + '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
}

/** The phases of a boot, one bar each, with the milliseconds that each took and the total. */
export function renderTimeline(
  vm: Pick<Vm, 'id' | 'kind' | 'state' | 'timeline'>,
  columns: number,
  paint: Paint,
): string {
  const { phases } = vm.timeline;
  const totalMs = phases.at(-1)?.atMs ?? 0;
  const head = `${paint.bold(vm.id)}  ${vm.kind}  ${vm.state}`;
  if (phases.length === 0) return `${head}\nno phase was reached yet`;
  const label = (ms: number): string => `${Math.round(ms)} ms`.padStart(9);
  const width = Math.max(10, Math.min(60, columns - 24));
  const rows = phases.map(({ phase, atMs }, index) => {
    const fromMs = phases[index - 1]?.atMs ?? 0;
    return `${phase.padEnd(9)} ${label(atMs - fromMs)}  ${paint.accent(bar(fromMs, atMs, totalMs, width))}`;
  });
  const ended = vm.state === 'ready' ? 'to ready' : `until ${phases.at(-1)?.phase ?? ''}, then: ${vm.state}`;
  return [head, ...rows, `${'total'.padEnd(9)} ${label(totalMs)}  ${formatDuration(totalMs)} ${ended}`].join(
    '\n',
  );
}
