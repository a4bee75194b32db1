import { meSchema, vmListSchema, type Vm } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { withApi, type CommonOptions } from '../context.ts';
import { formatAge } from '../terminal/duration.ts';
import type { Paint } from '../terminal/output.ts';
import { renderTable } from '../terminal/table.ts';

export async function listVms(options: CommonOptions & { all?: boolean }): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const vms = options.all === true ? await allVms(api, signal) : await ownVms(api, signal);
    if (out.json) out.value({ vms });
    else if (vms.length === 0) out.note('There is no VM; make one with: hearth vm create --kind cli');
    else {
      out.line(renderVms(vms, Date.now(), out.paint, { owners: options.all === true }));
      const found = vms.find(({ finding }) => finding !== null);
      if (found !== undefined) out.note(`More on a VM that failed or doesn’t answer: hearth why ${found.id}`);
    }
  });
}

/** The caller's own that still exist. */
async function ownVms(api: Api, signal: AbortSignal): Promise<Vm[]> {
  const { vms } = await api.get(vmListSchema, '/api/vms', { signal });
  return vms.filter(({ state }) => state !== 'deleted');
}

/** All that the caller may see: everybody's for an administrator, deleted ones as long as they are kept. */
export async function allVms(api: Api, signal: AbortSignal): Promise<Vm[]> {
  const { role } = await api.get(meSchema, '/api/me', { signal });
  const query = role === 'admin' ? { all: 'true' } : {};
  return (await api.get(vmListSchema, '/api/vms', { query, signal })).vms;
}

export function renderVms(
  vms: readonly Vm[],
  nowMs: number,
  paint: Paint,
  { owners }: { owners: boolean },
): string {
  return renderTable(
    ['ID', 'KIND', 'STATE', 'ADDRESS', 'CPUS', 'MEMORY', 'AGE', ...(owners ? ['OWNER'] : []), 'NOTE'],
    vms.map((vm) => [
      vm.id,
      vm.kind,
      paintCondition(vm, paint),
      vm.ip ?? '-',
      String(vm.cpus),
      `${vm.memMiB} MiB`,
      formatAge(vm.createdAt, nowMs),
      ...(owners ? [ownerInWords(vm)] : []),
      note(vm, nowMs),
    ]),
  );
}

export const ownerInWords = ({ userId }: Pick<Vm, 'userId'>): string => userId ?? 'warm pool';

/** What its state alone doesn't tell. */
function note({ failure, finding, hibernatedAt, deletesAt }: Vm, nowMs: number): string {
  return [
    ...(failure === null ? [] : [failure.title]),
    ...(finding === null ? [] : [finding.title]),
    ...(hibernatedAt === null ? [] : [`hibernated for ${formatAge(hibernatedAt, nowMs)}`]),
    ...(deletesAt === null ? [] : [`deleted on ${deletesAt.slice(0, 10)}`]),
  ].join(', ');
}

/** Its state; `unhealthy` for one that was ready and doesn’t answer as it should. */
export const paintCondition = ({ state, finding }: Vm, paint: Paint): string =>
  state === 'ready' && finding !== null ? paint.bad('unhealthy') : paintState(state, paint);

function paintState(state: Vm['state'], paint: Paint): string {
  if (state === 'ready') return paint.good(state);
  if (state === 'failed') return paint.bad(state);
  return state === 'deleted' ? paint.dim(state) : paint.warn(state);
}
