import { request } from 'node:http';
import { join } from 'node:path';
import { json as readJson } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import {
  createdTokenSchema,
  hostVmSchema,
  terminalRunStates,
  terminalSigninStates,
  type HostVm,
  type Vm,
} from '@hearth/contract';
import { countMachineTraces, vmmPids, type HearthLab, type MachineTraces } from '@hearth/testing';
import { z } from 'zod';
import type { Person } from '../../e2e/signin/person.ts';
import { until, type HearthApi } from './hearth-api.ts';
import { pursue, VM_SETTLE_MS } from './operations.ts';

const RUN_SETTLE_MS = 240_000;
const TRACES_TIMEOUT_MS = 20_000;
/** The controller compares its records with the host's every 30 s. */
const AGREEMENT_TIMEOUT_MS = 45_000;
const AGREEMENT_POLL_MS = 1000;
const BOOT_ID = ['cat', '/proc/sys/kernel/random/boot_id'];

/** A VM that nothing is done to: it must live on through all that happens. */
export interface Bystander {
  id: Vm['id'];
  bootId: string;
  vmmPid: number;
}

/** Somebody else's, so that nobody's runs take place in it. No other VM may be there. */
export async function makeBystander(lab: HearthLab, api: HearthApi): Promise<Bystander> {
  const words = ['token', 'create', '--role', 'user', '--user', 'bystander'];
  const { userId } = createdTokenSchema.parse(await lab.json(words));
  const { id } = await api.createVm(userId);
  const vm = await until(
    'the bystander',
    () => api.vm(id),
    ({ state }) => state === 'ready' || state === 'failed',
    { timeoutMs: VM_SETTLE_MS },
  );
  if (vm.state !== 'ready') throw new Error(`the bystander failed: ${vm.failure?.detail ?? ''}`);
  const [vmmPid = 0] = await vmmPids(lab.config);
  return { id, vmmPid, bootId: await api.exec(id, ...BOOT_ID) };
}

/** Waits until nothing is under way any more. */
export async function settle(api: HearthApi, person: Person): Promise<void> {
  for (const signin of await api.signins())
    if (!terminalSigninStates.includes(signin.state)) await pursue(api, person, signin);
  await until(
    'the end of all runs',
    () => api.runs(),
    (runs) => runs.every(({ state }) => terminalRunStates.includes(state)),
    { timeoutMs: RUN_SETTLE_MS },
  );
  const moving: readonly Vm['state'][] = ['requested', 'starting', 'hibernating', 'deleting'];
  await until(
    'settled VMs',
    () => api.vms(),
    (vms) => vms.every(({ state }) => !moving.includes(state)),
    { timeoutMs: VM_SETTLE_MS },
  );
}

export interface TruthOptions {
  lab: HearthLab;
  api: HearthApi;
  bystander: Bystander;
  accepted: ReadonlySet<Vm['id']>;
  /** The vault's version of the credential before. */
  credentialVersion: number;
}

/** What is said and isn't so, in words, once controller and host had the time to agree. Nothing may be under way. */
export async function findLies(options: TruthOptions): Promise<string[]> {
  const endMs = performance.now() + AGREEMENT_TIMEOUT_MS;
  let lies = await findLiesNow(options);
  while (lies.length > 0 && performance.now() < endMs) {
    await pause(AGREEMENT_POLL_MS);
    lies = await findLiesNow(options);
  }
  return lies;
}

async function findLiesNow(options: TruthOptions): Promise<string[]> {
  const { lab, api, bystander, accepted, credentialVersion } = options;
  const lies: string[] = [];
  const vms = await api.vms();
  for (const vm of vms) {
    if (vm.state === 'failed' && vm.failure === null) lies.push(`${vm.id} failed and does not say why`);
    if (vm.state !== 'ready') continue;
    try {
      const bootId = await api.exec(vm.id, ...BOOT_ID);
      if (vm.id === bystander.id && bootId !== bystander.bootId) lies.push('the bystander was booted anew');
    } catch (error) {
      lies.push(`${vm.id} is ready and does not answer: ${String(error)}`);
    }
  }
  if (!vms.some(({ id, state }) => id === bystander.id && state === 'ready')) lies.push('the bystander died');
  for (const id of accepted)
    await api
      .vm(id)
      .catch((error: unknown) => lies.push(`${id} was accepted and is not known: ${String(error)}`));
  const onHost = await hostVms(lab);
  const gone = (vm: Vm): boolean => !onHost.some(({ id }) => id === vm.id);
  for (const vm of vms) if (vm.state !== 'failed' && gone(vm)) lies.push(`the host does not know ${vm.id}`);
  for (const { id, state } of onHost) {
    const told = vms.find((vm) => vm.id === id)?.state;
    if (told !== state) lies.push(`${id} is ${state} on the host and ${told ?? 'unknown'} to the controller`);
  }
  for (const { id, state, failure, exitCode } of await api.runs())
    if (state === 'failed' && failure === null && exitCode === null)
      lies.push(`${id} failed and does not say why`);
  for (const { sessionId, state, failure } of await api.signins())
    if (state === 'failed' && failure === null) lies.push(`${sessionId} failed and does not say why`);
  const credential = (await api.credentials()).find(({ provider }) => provider === 'codex');
  if (credential?.state !== 'valid') lies.push(`the credential is ${credential?.state ?? 'lost'}`);
  else if (credential.version < credentialVersion)
    lies.push(`the credential went back to version ${credential.version}`);
  return lies;
}

/** Deletes every VM but the bystander; what is left beyond the count of before. */
export async function findLeaks(
  lab: HearthLab,
  api: HearthApi,
  bystander: Bystander,
  before: MachineTraces,
): Promise<Partial<MachineTraces>> {
  const doomed = (await api.vms()).filter(({ id }) => id !== bystander.id);
  for (const { id } of doomed) await api.deleteVm(id);
  await until(
    'the end of all VMs',
    () => api.vms(),
    (vms) => vms.length === 1,
    { timeoutMs: VM_SETTLE_MS },
  );
  const compare = async (): Promise<Partial<MachineTraces>> => {
    const now = await countMachineTraces(lab.config);
    const names = Object.keys(now) as (keyof MachineTraces)[];
    return Object.fromEntries(
      names.filter((name) => now[name] !== before[name]).map((name) => [name, now[name] - before[name]]),
    );
  };
  const endMs = performance.now() + TRACES_TIMEOUT_MS;
  let leaks = await compare();
  // What the machine does by itself after a deletion, such as dnsmasq's writing of its files, takes a moment.
  while (Object.keys(leaks).length > 0 && performance.now() < endMs) leaks = await compare();
  return leaks;
}

async function hostVms({ config }: HearthLab): Promise<HostVm[]> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const socketPath = join(config.runDir, 'host.sock');
  request({ socketPath, path: '/v1/vms' }, (answer) => void readJson(answer).then(resolve, reject))
    .on('error', reject)
    .end();
  return z.object({ vms: z.array(hostVmSchema) }).parse(await promise).vms;
}
