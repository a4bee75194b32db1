import { randomUUID } from 'node:crypto';
import { vmSchema, type CreateVm } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import { bringUp, type WaitOption } from './bring-up.ts';

export interface CreateOptions extends CommonOptions, WaitOption {
  kind: 'cli' | 'browser';
  cpus?: number;
  mem?: number;
  disk?: number;
  cold?: boolean;
}

export async function createVm(options: CreateOptions): Promise<void> {
  await withApi(options, async (api, context) => {
    const { kind, cpus, mem: memMiB, disk: diskMiB, cold } = options;
    const wish: CreateVm = { kind, cpus, memMiB, diskMiB, ...(cold === true ? { start: 'cold' } : {}) };
    const made = await api.call('POST', vmSchema, '/api/vms', {
      json: wish,
      headers: { 'idempotency-key': randomUUID() },
      signal: context.signal,
    });
    await bringUp(api, made, options, context);
  });
}
