import { splitPhases, type PhaseMark, type Vm } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import type { Context } from '../context.ts';
import { formatDuration } from '../terminal/duration.ts';
import { originInWords, phaseWords } from '../terminal/phase-words.ts';
import { untilReady } from './follow.ts';

/** `--no-wait` gives false. */
export interface WaitOption {
  wait: boolean;
}

/**
 * Shows how a VM that was asked for comes up, phase by phase; throws the cause where it doesn't. The id alone goes to
 * standard output, so that `ID=$(hearth vm create …)` works.
 */
export async function bringUp(
  api: Api,
  asked: Vm,
  { wait }: WaitOption,
  { out, signal }: Pick<Context, 'out' | 'signal'>,
): Promise<void> {
  const { paint } = out;
  if (!wait) {
    if (out.json) out.value(asked);
    else out.line(asked.id);
    return;
  }
  out.note(`${paint.bold(asked.id)}  ${asked.kind}, ${asked.cpus} CPU, ${asked.memMiB} MiB`);
  let last = { startedAt: '', atMs: 0 };
  const onPhase = ({ phase, atMs }: PhaseMark, { timeline: { startedAt } }: Vm): void => {
    const tookMs = last.startedAt === startedAt ? Math.max(0, atMs - last.atMs) : atMs;
    const times = `${formatDuration(tookMs).padStart(8)} · at ${formatDuration(atMs).padEnd(8)}`;
    out.note(`  ${phase.padEnd(9)} ${paint.dim(`${times} ${phaseWords[phase]}`)}`);
    last = { startedAt, atMs };
  };
  const vm = await readyVm(api, asked, signal, onPhase);
  if (out.json) {
    out.value(vm);
    return;
  }
  out.note(`${readyInWords(vm)}; try: hearth vm exec ${vm.id} -- uname -a`);
  out.line(vm.id);
}

/** A warm VM is ready in the very answer. */
async function readyVm(
  api: Api,
  asked: Vm,
  signal: AbortSignal,
  onPhase: (mark: PhaseMark, vm: Vm) => void,
): Promise<Vm> {
  if (asked.state !== 'ready') return await untilReady(api, asked.id, { signal, onPhase });
  for (const mark of splitPhases(asked.timeline.phases).toReady) onPhase(mark, asked);
  return asked;
}

function readyInWords(vm: Vm): string {
  const tookMs = splitPhases(vm.timeline.phases).toReady.at(-1)?.atMs ?? 0;
  const origin = originInWords(vm);
  return `ready at ${vm.ip ?? '?'} after ${formatDuration(tookMs)}${origin === null ? '' : `, from ${origin}`}`;
}
