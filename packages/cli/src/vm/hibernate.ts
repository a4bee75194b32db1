import { randomUUID } from 'node:crypto';
import { vmSchema, type ResumeVm, type VmId } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { withApi, type CommonOptions } from '../context.ts';
import type { Output } from '../terminal/output.ts';
import { bringUp, type WaitOption } from './bring-up.ts';
import { parseVmId, SAVED_MEMORY_TIMEOUT_MS } from './follow.ts';

export async function hibernateVm(id: string, options: CommonOptions): Promise<void> {
  const vmId = parseVmId(id);
  await withApi(options, async (api, { out, signal }) => {
    const vm = await api.call('POST', vmSchema, `/api/vms/${vmId}/hibernate`, {
      signal,
      timeoutMs: SAVED_MEMORY_TIMEOUT_MS,
    });
    if (out.json) {
      out.value(vm);
      return;
    }
    if (vm.deletesAt !== null) out.note(`it will be deleted on ${vm.deletesAt} unless it is resumed before`);
    out.line(`${vm.id} ${vm.state}`);
  });
}

export interface ResumeOptions extends CommonOptions, WaitOption {
  cold?: boolean;
}

export async function resumeVm(id: string, options: ResumeOptions): Promise<void> {
  const vmId = parseVmId(id);
  await withApi(options, async (api, context) => {
    const wish: ResumeVm = { cold: options.cold ?? false };
    const vm = await api.call('POST', vmSchema, `/api/vms/${vmId}/resume`, {
      json: wish,
      signal: context.signal,
      timeoutMs: SAVED_MEMORY_TIMEOUT_MS,
    });
    if (vm.state === 'ready') context.out.note(`${vm.id} was not hibernated; it runs on as it is`);
    await bringUp(api, vm, options, context);
  });
}

export async function forkVm(id: string, options: CommonOptions & WaitOption): Promise<void> {
  const vmId = parseVmId(id);
  await withApi(options, async (api, context) => {
    const copy = await api.call('POST', vmSchema, `/api/vms/${vmId}/fork`, {
      headers: { 'idempotency-key': randomUUID() },
      signal: context.signal,
      timeoutMs: SAVED_MEMORY_TIMEOUT_MS,
    });
    await bringUp(api, copy, options, context);
  });
}

/** What is asked of a hibernated VM resumes it and takes so much longer: a person is told why. */
export async function sayIfHibernated(api: Api, vmId: VmId, out: Output, signal: AbortSignal): Promise<void> {
  if (!out.live) return;
  const { state } = await api.get(vmSchema, `/api/vms/${vmId}`, { signal });
  if (state === 'hibernated') out.note(`resuming ${vmId}…`);
}
