import { hostStateSchema, type HostCapacity, type HostState } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { formatBytes } from '../terminal/duration.ts';
import type { Paint } from '../terminal/output.ts';
import { plainLine } from '../terminal/plain-text.ts';
import { renderBreaker } from './breaker.ts';

export async function showHost(options: CommonOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const state = await api.get(hostStateSchema, '/api/host', { signal });
    if (out.json) out.value(state);
    else out.line(renderHost(state, out.paint));
  });
}

const MIB = 1024 ** 2;
const LABEL_COLUMNS = 10;

export function renderHost(state: HostState, paint: Paint): string {
  const { draining, capacity, breaker, drifts, unhealthy } = state;
  const rows: [string, string][] = [
    ['takes VMs', draining ? paint.warn('no, it is drained: hearth host drain --off') : paint.good('yes')],
    ...capacityRows(capacity),
    ['creation', renderBreaker(breaker, paint).join('\n')],
    ['drift', drifts === 0 ? paint.good('none') : paint.bad(`${drifts} not repaired: hearth host drift`)],
    ['unhealthy', unhealthy.length === 0 ? paint.good('none') : paint.bad(String(unhealthy.length))],
  ];
  return [
    ...rows.map(([name, value]) => `${paint.dim(name.padEnd(LABEL_COLUMNS))} ${value}`),
    ...unhealthy.map(({ vmId, finding: { title, detail } }) => `  ${vmId}  ${title}: ${plainLine(detail)}`),
    ...(unhealthy.length === 0 ? [] : [paint.dim('  more: hearth why ID')]),
  ].join('\n');
}

function capacityRows(capacity: HostCapacity): [string, string][] {
  const { cpus, cpusFree, memMiB, memFreeMiB, diskFreeMiB, addressesFree, starts, accelerator } = capacity;
  return [
    ['memory', `${formatBytes(memFreeMiB * MIB)} of ${formatBytes(memMiB * MIB)} free`],
    [
      'CPUs',
      `${cpusFree} more can be given; the machine has ${cpus}${accelerator === 'tcg' ? ', emulated' : ''}`,
    ],
    ['disk', `${formatBytes(diskFreeMiB * MIB)} free`],
    ['addresses', `${addressesFree} free`],
    ['starts', `${starts.running} under way, ${starts.waiting} waiting`],
  ];
}
