import { vmSchema, type Vm } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import type { Paint } from '../terminal/output.ts';
import { renderProblem } from '../terminal/problem.ts';
import { renderTimeline } from '../terminal/timeline.ts';
import { parseVmId } from './follow.ts';
import { paintState } from './list.ts';

export async function showVm(id: string, options: CommonOptions): Promise<void> {
  const vmId = parseVmId(id);
  await withApi(options, async (api, { out, signal }) => {
    const vm = await api.get(vmSchema, `/api/vms/${vmId}`, { signal });
    if (out.json) out.value(vm);
    else out.line(renderVm(vm, out.paint));
  });
}

export async function showTimeline(id: string, options: CommonOptions): Promise<void> {
  const vmId = parseVmId(id);
  await withApi(options, async (api, { out, signal }) => {
    const vm = await api.get(vmSchema, `/api/vms/${vmId}`, { signal });
    if (out.json) out.value({ id: vm.id, kind: vm.kind, state: vm.state, ...vm.timeline });
    else out.line(renderTimeline(vm, out.columns, out.paint));
  });
}

export function renderVm(vm: Vm, paint: Paint): string {
  const rows: [string, string][] = [
    ['kind', vm.kind],
    ['state', paintState(vm.state, paint)],
    ['address', vm.ip ?? '-'],
    ['size', `${vm.cpus} CPU, ${vm.memMiB} MiB memory, ${vm.diskMiB} MiB disk`],
    ['image', vm.imageId ?? '-'],
    ['user', vm.userId],
    ['created', vm.createdAt],
    ['ready', vm.readyAt ?? '-'],
    ...(vm.deletedAt === null ? [] : [['deleted', vm.deletedAt] satisfies [string, string]]),
  ];
  return [
    paint.bold(vm.id),
    ...rows.map(([name, value]) => `  ${paint.dim(name.padEnd(8))} ${value}`),
    ...(vm.failure === null ? [] : [renderProblem(vm.failure, paint)]),
  ].join('\n');
}
