import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { createdTokenSchema, vmListSchema, vmSchema, type ConfigInput, type Vm } from '@hearth/contract';
import { daemonArgs } from '../../packages/cli/src/setup/places.ts';

const repository = join(import.meta.dirname, '../..');
/** Far more than 1,000 VMs of the default size need. */
const MACHINE_MEM_MIB = 8_000_000;
const SETTLE_TIMEOUT_MS = 300_000;
const VMS_PER_PERSON = 10;

/** Both daemons as processes of their own: the controller whole, the host daemon with a fake VMM. */
export interface FakeHearth {
  readonly hostPid: number;
  readonly controllerPid: number;
  /** A call by an administrator, or with this token. */
  call(path: string, init?: RequestInit & { token?: string }): Promise<Response>;
  create(token?: string): Promise<Vm>;
  remove(id: Vm['id']): Promise<void>;
  /** Makes persons with ten VMs each until there are so many; waits until all are ready. Gives the token of the last person. */
  fill(vms: number): Promise<string>;
  stop(): Promise<void>;
}

async function firstLine(child: ChildProcess, what: string): Promise<string> {
  if (child.stdout === null) throw new Error(`${what} has no output`);
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error(`${what} ended at once`);
}

export async function startFakeHearth(extra: ConfigInput = {}): Promise<FakeHearth> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-control-'));
  const config: ConfigInput = {
    ...{ stateDir: join(folder, 'state'), runDir: join(folder, 'run') },
    network: { subnet: '192.168.0.0/16', transitSubnet: '10.99.0.0/30' },
    controller: { maxVmsPerUser: 2 * VMS_PER_PERSON },
    ...extra,
    vms: { maxConcurrentBoots: 8, cpuOvercommit: 1000, ...extra.vms },
  };
  const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit'];
  // As `hearth up` starts them: code that was compiled before needs no compiler in memory.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(repository, '.tools/compile-cache') };
  const host = spawn(
    process.execPath,
    [
      ...daemonArgs,
      join(repository, 'bench/lib/fake-vmm-host.ts'),
      JSON.stringify({ config, memMiB: MACHINE_MEM_MIB }),
    ],
    { stdio, env },
  );
  await firstLine(host, 'the host daemon');
  const controller = spawn(
    process.execPath,
    [
      ...daemonArgs,
      join(repository, 'bench/runs/controller-process.ts'),
      join(folder, 'run/host.sock'),
      join(folder, 'hearth.db'),
      JSON.stringify(config),
    ],
    { stdio, env },
  );
  const { url, token: admin } = JSON.parse(await firstLine(controller, 'the controller')) as {
    url: string;
    token: string;
  };
  const { pid: hostPid } = host;
  const { pid: controllerPid } = controller;
  if (hostPid === undefined || controllerPid === undefined) throw new Error('a daemon has no pid');

  const call: FakeHearth['call'] = async (path, { token = admin, ...init } = {}) => {
    const answer = await fetch(`${url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const create = async (token?: string): Promise<Vm> => {
    const answer = await call('/api/vms', {
      ...{ method: 'POST', body: JSON.stringify({ kind: 'cli' }) },
      ...(token === undefined ? {} : { token }),
    });
    return vmSchema.parse(await answer.json());
  };
  let persons = 0;
  let filled = 0;
  const person = async (): Promise<string> => {
    persons += 1;
    const body = JSON.stringify({ role: 'user', user: `person-${persons}` });
    return createdTokenSchema.parse(await (await call('/api/tokens', { method: 'POST', body })).json()).token;
  };
  const untilReady = async (vms: number): Promise<void> => {
    const endMs = performance.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      const { vms: all } = vmListSchema.parse(await (await call('/api/vms?all=true')).json());
      const ready = all.filter(({ state }) => state === 'ready').length;
      if (ready >= vms) return;
      if (performance.now() > endMs) throw new Error(`${ready} of ${vms} VMs became ready`);
      await pause(500);
    }
  };
  return {
    ...{ hostPid, controllerPid, call, create },
    remove: async (id) => {
      const answer = await call(`/api/vms/${id}`, { method: 'DELETE', body: '{}' });
      await answer.text();
    },
    fill: async (vms) => {
      let token = '';
      while (filled < vms) {
        token = await person();
        for (let count = 0; count < VMS_PER_PERSON; count++) await create(token);
        filled += VMS_PER_PERSON;
      }
      await untilReady(filled);
      return token;
    },
    stop: async () => {
      for (const child of [controller, host]) {
        const ended = Promise.withResolvers<undefined>();
        child.once('exit', () => ended.resolve(undefined));
        child.stdin.end();
        child.kill('SIGTERM');
        await ended.promise;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}
