import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { execEventSchema, readEvents, splitLines, vmSchema, type Vm } from '@hearth/contract';
import {
  countTraces,
  makeLab,
  noTraces,
  repository,
  vmmPids,
  waitForGoldens,
  type HearthLab,
} from '@hearth/testing';
import { expect } from 'vitest';
import { z } from 'zod';

const FACTS_SCRIPT = join(repository, 'e2e/instant/guest-facts.mjs');
const SETTLE_TIMEOUT_MS = 120_000;

export const factsSchema = z.object({
  hostname: z.string(),
  machineId: z.string().regex(/^[0-9a-f]{32}$/),
  mac: z.string(),
  ip: z.ipv4(),
  newMachineId: z.string().regex(/^[0-9a-f]{32}$/),
  kernelUuid: z.uuid(),
  nodeUuid: z.uuid(),
  nodeRandom: z.string().regex(/^[0-9a-f]{64}$/),
  tlsClientRandom: z.string().regex(/^[0-9a-f]{64}$/),
  tlsSecret: z.string().regex(/^[0-9a-f]{64,}$/),
});
export type Facts = z.infer<typeof factsSchema> & {
  /** Of the first command that its agent ran: the first that is heard of the agent's own randomness. */
  firstExecId: string;
};

/** A Hearth whose CLI VMs start from their golden snapshot. */
export async function openInstantLab(): Promise<HearthLab> {
  const lab = await makeLab({
    controller: { rateLimit: { max: 100_000 } },
    vms: { snapshots: { golden: true } },
  });
  await lab.up();
  await waitForGoldens(lab, ['cli']);
  return lab;
}

/** Removes the last VMs of a lab; nothing of any is left then. */
export async function removeAll(lab: HearthLab, ...vms: Pick<Vm, 'id'>[]): Promise<void> {
  expect((await lab.cli(['vm', 'rm', ...vms.map(({ id }) => id)])).exitCode).toBe(0);
  await expect.poll(() => countTraces(lab.config), { timeout: 10_000 }).toEqual(noTraces);
}

export async function createVm(lab: HearthLab, ...more: string[]): Promise<Vm> {
  const kind = more.includes('--kind') ? [] : ['--kind', 'cli'];
  return vmSchema.parse(await lab.json(['vm', 'create', ...kind, ...more], { timeoutMs: 600_000 }));
}

export const showVm = async (lab: HearthLab, { id }: Pick<Vm, 'id'>): Promise<Vm> =>
  vmSchema.parse(await lab.json(['vm', 'show', id]));

/** Asks the API and doesn't wait until it is ready. */
export async function requestVm(lab: HearthLab, kind: 'cli' | 'browser' = 'cli'): Promise<Vm> {
  return vmSchema.parse(await (await post(lab, '/api/vms', { kind })).json());
}

export const post = (lab: HearthLab, path: string, body?: object): Promise<Response> =>
  lab.fetch(path, {
    method: 'POST',
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });

/** Runs a shell line in the VM; throws unless it succeeds. */
export async function inVm(
  lab: HearthLab,
  { id }: Pick<Vm, 'id'>,
  line: string,
  user = 'hearth',
): Promise<string> {
  const args = ['vm', 'exec', id, '--user', user, '--', 'sh', '-c', line];
  const { stdout, stderr, exitCode } = await lab.cli(args);
  if (exitCode !== 0) throw new Error(`${line}: exit code ${exitCode}: ${stderr}`);
  return stdout;
}

/** Runs a command through the API: its id, and what it wrote, as bytes. */
export async function execBytes(
  lab: HearthLab,
  { id }: Pick<Vm, 'id'>,
  command: readonly string[],
): Promise<{ execId: string; stdout: Buffer }> {
  const answer = await post(lab, `/api/vms/${id}/exec`, { command });
  if (!answer.ok) throw new Error(`exec: ${answer.status} ${await answer.text()}`);
  const chunks: Buffer[] = [];
  let execId = '';
  for await (const event of readEvents(
    answer.body as unknown as AsyncIterable<Uint8Array>,
    execEventSchema,
  )) {
    if (event.type === 'started') ({ execId } = event);
    if (event.type === 'stdout') chunks.push(Buffer.from(event.dataBase64, 'base64'));
    if (event.type === 'error') throw new Error(event.problem.detail);
    if (event.type === 'exit' && event.exitCode !== 0)
      throw new Error(`${command.join(' ')}: ${event.exitCode}`);
  }
  return { execId, stdout: Buffer.concat(chunks) };
}

/** What the guest says of itself. Call it before anything else is run in it. */
export async function factsOf(lab: HearthLab, vm: Vm): Promise<Facts> {
  const { execId } = await execBytes(lab, vm, ['true']);
  const copied = await lab.cli(['vm', 'cp', FACTS_SCRIPT, `${vm.id}:/tmp/guest-facts.mjs`]);
  if (copied.exitCode !== 0) throw new Error(copied.stderr);
  const told = await inVm(lab, vm, 'node /tmp/guest-facts.mjs');
  return { ...factsSchema.parse(JSON.parse(told)), firstExecId: execId };
}

/** How far the guest's clock is from ours, at the best of some looks. */
export async function clockErrorMs(lab: HearthLab, vm: Vm): Promise<number> {
  const errors: number[] = [];
  for (let look = 0; look < 3; look += 1) {
    const before = Date.now();
    const guest = Number((await execBytes(lab, vm, ['date', '+%s%3N'])).stdout.toString());
    const after = Date.now();
    errors.push(guest < before ? before - guest : Math.max(0, guest - after));
  }
  return Math.min(...errors);
}

/** The VM once it is in one of these states. */
export async function settled(
  lab: HearthLab,
  { id }: Pick<Vm, 'id'>,
  states: readonly string[],
  timeoutMs = SETTLE_TIMEOUT_MS,
): Promise<Vm> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const vm = vmSchema.parse(await (await lab.fetch(`/api/vms/${id}`)).json());
    if (states.includes(vm.state)) return vm;
    if (performance.now() > endMs) throw new Error(`${id} is ${vm.state} and not ${states.join(' or ')}`);
    // The API allows each user so many requests and no more.
    await pause(300);
  }
}

/** Follows the events of a VM until one is found that fits. */
export async function untilEvent(
  lab: HearthLab,
  { id }: Pick<Vm, 'id'>,
  fits: (vm: Vm) => boolean,
): Promise<void> {
  const ending = new AbortController();
  const events = await lab.fetch(`/api/vms/${id}/events`, {
    headers: { accept: 'text/event-stream' },
    signal: AbortSignal.any([ending.signal, AbortSignal.timeout(SETTLE_TIMEOUT_MS)]),
  });
  const lines = splitLines(events.body as unknown as AsyncIterable<Uint8Array>);
  try {
    for await (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      const { vm } = z.object({ vm: vmSchema }).parse(JSON.parse(line.slice('data: '.length)));
      if (fits(vm)) return;
    }
  } finally {
    ending.abort();
  }
  throw new Error(`the events of ${id} ended`);
}

/** Waits for a VMM that wasn't there before. */
export async function newVmmPid(lab: HearthLab, before: readonly number[]): Promise<number> {
  const endMs = performance.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const pid = (await vmmPids(lab.config)).find((found) => !before.includes(found));
    if (pid !== undefined) return pid;
    if (performance.now() > endMs) throw new Error('no VMM was started');
    await pause(5);
  }
}
