import { hintFor, vmSchema, type Vm } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import type { Paint } from '../terminal/output.ts';
import { plainLine } from '../terminal/plain-text.ts';
import { renderProblem } from '../terminal/problem.ts';
import { originInWords } from '../terminal/phase-words.ts';
import { renderTimeline } from '../terminal/timeline.ts';
import { parseVmId } from './follow.ts';
import { paintCondition, ownerInWords } from './list.ts';

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
    const { kind, state, origin, timeline } = vm;
    if (out.json) out.value({ id: vm.id, kind, state, origin, ...timeline });
    else out.line(renderTimeline(vm, out.columns, out.paint));
  });
}

export function renderVm(vm: Vm, paint: Paint): string {
  const rows: [string, string][] = [
    ['kind', vm.kind],
    ['state', paintCondition(vm, paint)],
    ['address', vm.ip ?? '-'],
    ['size', `${vm.cpus} CPU, ${vm.memMiB} MiB memory, ${vm.diskMiB} MiB disk`],
    ['image', vm.imageId ?? '-'],
    ['user', ownerInWords(vm)],
    ['created', vm.createdAt],
    ['ready', vm.readyAt ?? '-'],
    ['from', originInWords(vm) ?? '-'],
    ['last used', vm.lastUsedAt ?? '-'],
    ...optionalRow('hibernated', vm.hibernatedAt),
    ...optionalRow('deletes', vm.deletesAt === null ? null : `${vm.deletesAt} unless it is resumed before`),
    ...optionalRow('deleted', vm.deletedAt),
  ];
  return [
    paint.bold(vm.id),
    ...rows.map(([name, value]) => `  ${paint.dim(name.padEnd(10))} ${value}`),
    ...(vm.failure === null ? [] : [renderProblem(vm.failure, paint)]),
    ...renderFinding(vm, paint),
  ].join('\n');
}

/** What `why` found, in short. */
function renderFinding({ id, finding }: Vm, paint: Paint): string[] {
  if (finding === null) return [];
  return [
    `${paint.bad('found:')} ${finding.title}: ${plainLine(finding.detail)}`,
    `  ${paint.dim('where:')} ${finding.layer} · ${finding.at}`,
    `  ${paint.dim('what to do:')} ${hintFor(finding.hint, id)}`,
    `  ${paint.dim('all layers:')} hearth why ${id}`,
  ];
}

const optionalRow = (name: string, value: string | null): [string, string][] =>
  value === null ? [] : [[name, value]];
