import { randomUUID } from 'node:crypto';
import { HearthError, meSchema, vmListSchema, vmSchema, type Vm } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { parseVmId, untilReady } from './follow.ts';

export interface OwnVmOptions {
  /** A VM that the user named. */
  id: string | undefined;
  signal: AbortSignal;
  note: (text: string) => void;
}

/** The VM to work in: the named one, else the user's newest CLI VM that is ready, starting or hibernated, else a new one. */
export async function ownCliVm(api: Api, { id, signal, note }: OwnVmOptions): Promise<Vm> {
  if (id !== undefined) {
    const vm = await api.get(vmSchema, `/api/vms/${parseVmId(id)}`, { signal });
    if (vm.state === 'ready' || isAsleep(vm)) return usable(vm, note);
    if (vm.state === 'deleting' || vm.state === 'deleted')
      throw new HearthError('vm_deleted', `${vm.id} was deleted`, { vmId: vm.id });
    return await waitFor(api, vm, signal, note);
  }
  const [me, { vms }] = await Promise.all([
    api.get(meSchema, '/api/me', { signal }),
    api.get(vmListSchema, '/api/vms', { signal }),
  ]);
  const found = pickOwn(vms, me.userId);
  if (found !== undefined && (found.state === 'ready' || isAsleep(found))) return usable(found, note);
  if (found !== undefined) return await waitFor(api, found, signal, note);
  const made = await api.call('POST', vmSchema, '/api/vms', {
    json: { kind: 'cli' },
    headers: { 'idempotency-key': randomUUID() },
    signal,
  });
  note(`making the CLI VM ${made.id}…`);
  return await untilReady(api, made.id, { signal });
}

/** An administrator sees everybody's VMs and still works in their own. */
export function pickOwn(vms: readonly Vm[], userId: string): Vm | undefined {
  const own = vms
    .filter((vm) => vm.userId === userId && vm.kind === 'cli')
    .toSorted((a, b) => b.createdAt.localeCompare(a.createdAt));
  return (
    own.find(({ state }) => state === 'ready') ??
    own.find(({ state }) => state === 'starting' || state === 'requested') ??
    own.find(isAsleep)
  );
}

const isAsleep = ({ state }: Vm): boolean => state === 'hibernated' || state === 'hibernating';

/** The first command resumes one that sleeps. */
function usable(vm: Vm, note: (text: string) => void): Vm {
  if (isAsleep(vm)) note(`resuming ${vm.id}…`);
  return vm;
}

async function waitFor(api: Api, vm: Vm, signal: AbortSignal, note: (text: string) => void): Promise<Vm> {
  if (vm.state !== 'failed') note(`waiting for ${vm.id}, which is ${vm.state}…`);
  return await untilReady(api, vm.id, { signal });
}
