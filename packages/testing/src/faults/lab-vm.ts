import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  execEventSchema,
  readEvents,
  vmSchema,
  whySchema,
  type Vm,
  type VmKind,
  type Why,
} from '@hearth/contract';
import type { HearthLab } from '../lab/index.ts';
import { until } from './until.ts';

/** A clone is there within seconds; where its golden snapshot was refused, it boots. */
const READY_TIMEOUT_MS = 180_000;
const GONE_TIMEOUT_MS = 60_000;
const CALL_TIMEOUT_MS = 120_000;

/** A VM of the lab, with what the host has of it. The names are those that the host derives from the address. */
export interface LabVm {
  readonly id: string;
  readonly kind: VmKind;
  readonly ip: string;
  readonly mac: string;
  readonly tap: string;
  /** Its private disk. */
  readonly upper: string;
  readonly console: string;
  readonly monitor: string;
  /** pid of its VMM. */
  readonly pid: number;
}

async function call(lab: HearthLab, path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
  const answer = await lab.fetch(path, { ...init, signal: limit });
  if (!answer.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

const post = (body: object): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

export async function showVm(lab: HearthLab, id: string, signal: AbortSignal): Promise<Vm> {
  return vmSchema.parse(await (await call(lab, `/api/vms/${id}`, {}, signal)).json());
}

/** Makes a VM and waits until it is ready. */
export async function createVm(lab: HearthLab, kind: VmKind, signal: AbortSignal): Promise<LabVm> {
  const { id } = vmSchema.parse(await (await call(lab, '/api/vms', post({ kind }), signal)).json());
  let vm = await showVm(lab, id, signal);
  await until(`${kind} VM ${id}`, READY_TIMEOUT_MS, signal, async () => {
    vm = await showVm(lab, id, signal);
    if (vm.state === 'failed')
      throw new Error(`VM ${id} failed: ${vm.failure?.detail ?? 'nobody knows why'}`);
    return vm.state === 'ready' ? null : `it is ${vm.state}`;
  });
  const { ip } = vm;
  if (ip === null) throw new Error(`VM ${id} is ready and has no address`);
  const hex = ip.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  const run = join(lab.config.runDir, 'vms', id);
  return {
    ...{ id, kind, ip },
    mac: `02:48:${hex.join(':')}`,
    tap: `tap${hex.join('')}`,
    upper: join(lab.config.stateDir, 'vms', id, 'upper.ext4'),
    console: join(lab.config.stateDir, 'consoles', id, 'console.log'),
    monitor: join(run, 'monitor.sock'),
    pid: Number(await readFile(join(run, 'vmm.pid'), 'utf8')),
  };
}

export async function removeVm(lab: HearthLab, id: string, signal: AbortSignal): Promise<void> {
  await call(lab, `/api/vms/${id}`, { method: 'DELETE' }, signal);
  await until(`removal of VM ${id}`, GONE_TIMEOUT_MS, signal, async () => {
    const { state } = await showVm(lab, id, signal);
    return state === 'deleted' ? null : `it is ${state}`;
  });
}

/** Boots its disk anew. */
export async function restartVm(lab: HearthLab, id: string, signal: AbortSignal): Promise<void> {
  await call(lab, `/api/vms/${id}/restart`, post({}), signal);
}

export async function askWhy(lab: HearthLab, id: string, stored: boolean, signal: AbortSignal): Promise<Why> {
  const answer = await call(lab, `/api/vms/${id}/why?stored=${stored}`, {}, signal);
  return whySchema.parse(await answer.json());
}

/** Runs a shell line as root in the VM and gives what it printed; throws with its words unless it succeeds. */
export async function inGuest(
  lab: HearthLab,
  id: string,
  line: string,
  signal: AbortSignal,
): Promise<string> {
  const request = post({ command: ['sh', '-c', line], user: 'root' });
  const answer = await call(lab, `/api/vms/${id}/exec`, request, signal);
  let stdout = '';
  let stderr = '';
  for await (const event of readEvents(
    answer.body as unknown as AsyncIterable<Uint8Array>,
    execEventSchema,
  )) {
    if (event.type === 'stdout') stdout += Buffer.from(event.dataBase64, 'base64').toString();
    if (event.type === 'stderr') stderr += Buffer.from(event.dataBase64, 'base64').toString();
    if (event.type === 'error') throw new Error(`${line}: ${event.problem.detail}`);
    if (event.type === 'exit' && event.exitCode === 0) return stdout;
    if (event.type === 'exit') throw new Error(`${line}: exit code ${event.exitCode}: ${stderr}`);
  }
  throw new Error(`${line}: its answer broke off`);
}

/**
 * Has the guest's systemd run a shell line as root, which outlives the agent. It begins half a second later: the answer must be
 * out before the line cuts off its way.
 */
export async function leaveInGuest(
  lab: HearthLab,
  id: string,
  line: string,
  signal: AbortSignal,
): Promise<void> {
  const quoted = `sleep 0.5; ${line}`.replaceAll("'", String.raw`'\''`);
  await inGuest(lab, id, `systemd-run --quiet --collect --no-block sh -c '${quoted}'`, signal);
}
