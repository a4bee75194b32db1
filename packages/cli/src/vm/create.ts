import { randomUUID } from 'node:crypto';
import { vmSchema, type Vm } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { formatDuration } from '../terminal/duration.ts';
import { untilReady } from './follow.ts';

export interface CreateOptions extends CommonOptions {
  kind: 'cli' | 'browser';
  cpus?: number;
  mem?: number;
  disk?: number;
  wait: boolean;
}

export async function createVm(options: CreateOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const { kind, cpus, mem: memMiB, disk: diskMiB } = options;
    const made = await api.call('POST', vmSchema, '/api/vms', {
      json: { kind, cpus, memMiB, diskMiB },
      headers: { 'idempotency-key': randomUUID() },
      signal,
    });
    if (!options.wait) {
      if (out.json) out.value(made);
      else out.line(made.id);
      return;
    }
    out.note(`${out.paint.bold(made.id)}  ${made.kind}, ${made.cpus} CPU, ${made.memMiB} MiB`);
    let lastMs = 0;
    const onPhase = ({ phase, atMs }: { phase: string; atMs: number }): void => {
      out.note(
        `  ${phase.padEnd(9)} ${out.paint.dim(`${formatDuration(atMs - lastMs).padStart(8)} · at ${formatDuration(atMs)}`)}`,
      );
      lastMs = atMs;
    };
    const vm = await untilReady(api, made.id, { signal, onPhase });
    if (out.json) out.value(vm);
    else sayReady(vm, out.line, out.note);
  });
}

/** The id alone goes to standard output, so that `ID=$(hearth vm create …)` works. */
function sayReady(vm: Vm, line: (text: string) => void, note: (text: string) => void): void {
  const tookMs = vm.timeline.phases.at(-1)?.atMs ?? 0;
  note(`ready at ${vm.ip ?? '?'} after ${formatDuration(tookMs)}; try: hearth vm exec ${vm.id} -- uname -a`);
  line(vm.id);
}
