import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  AGENT_PORT,
  agentHealthSchema,
  encodeLine,
  guestMessageSchema,
  imageManifestSchema,
  snapshotManifestSchema,
  splitLines,
} from '@hearth/contract';
import { z } from 'zod';
import { readTscKhz } from '../../packages/host/src/vmm/accelerator.ts';
import { qemuArguments } from '../../packages/host/src/vmm/qemu/command-line.ts';
import type { VmmSpec } from '../../packages/host/src/vmm/vmm.ts';

/**
 * One restore of a golden snapshot by hand, with nothing of Hearth around it but the agent in the guest: prints the milliseconds
 * from the copy of the saved disk to the agent's answer to `GET /health` at the clone's own address, with the clone's own token and
 * id. Runs in a namespace of its own, which the caller made: bridge, TAP and dnsmasq are set up before the clock starts.
 *   node bare-restore.ts INPUT_JSON
 */
const inputSchema = z.object({ image: imageManifestSchema, snapshot: snapshotManifestSchema });
export type BareRestoreInput = z.input<typeof inputSchema>;

const LIMIT_MS = 60_000;
const LOAD_DESCRIPTOR = 3;
const MAC = '02:48:0a:63:00:02';
const IP = '10.99.0.2';
const VM_ID = 'vm-00000000bare';

function sh(command: string): void {
  const { status, stderr } = spawnSync('sh', ['-ec', command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}

function specOf({ image, snapshot }: z.infer<typeof inputSchema>, folder: string): VmmSpec {
  const layer = (role: 'base' | 'agent'): string =>
    image.layers.find((candidate) => candidate.role === role)?.path ?? '';
  return {
    vmId: VM_ID as VmmSpec['vmId'],
    ...{
      cpus: snapshot.cpus,
      memMiB: snapshot.memMiB,
      memory: { path: snapshot.memory.path, shared: false },
    },
    ...{ kernelPath: image.kernel.path, initrdPath: image.initrd.path, kernelArguments: [] },
    drives: [
      { id: 'base', path: layer('base'), readOnly: true },
      { id: 'agent', path: layer('agent'), readOnly: true },
      { id: 'upper', path: join(folder, 'upper'), readOnly: false },
    ],
    ...{ tap: 'tap0', mac: MAC, consolePath: join(folder, 'console') },
    ...{ controlSocketPath: join(folder, 'control'), monitorSocketPath: join(folder, 'monitor') },
    ...{ saveSocketPath: join(folder, 'save'), logPath: join(folder, 'log'), pidPath: join(folder, 'pid') },
  };
}

async function connected(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      // QEMU has not made it yet; the whole has a deadline.
      await pause(2);
    }
  }
}

/** Commands to QEMU's monitor, one after the other. */
async function openMonitor(path: string): Promise<(execute: string, args?: object) => Promise<unknown>> {
  const socket = await connected(path);
  const lines = splitLines(socket)[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    for (;;) {
      const line = await lines.next();
      if (line.done === true) throw new Error('QEMU closed its monitor');
      const message = JSON.parse(line.value) as { return?: unknown; error?: unknown; event?: string };
      if (message.error !== undefined) throw new Error(line.value);
      if (message.event === undefined) return message.return;
    }
  };
  const execute = (name: string, args: object = {}): Promise<unknown> => {
    socket.write(`${JSON.stringify({ execute: name, arguments: args })}\n`);
    return answer();
  };
  // Its greeting.
  await answer();
  await execute('qmp_capabilities');
  return execute;
}

async function load(monitorPath: string): Promise<void> {
  const execute = await openMonitor(monitorPath);
  const capabilities = [{ capability: 'x-ignore-shared', state: true }];
  await execute('migrate-set-capabilities', { capabilities });
  await execute('migrate-incoming', { uri: `fd:${LOAD_DESCRIPTOR}` });
  while (((await execute('query-status')) as { status: string }).status === 'inmigrate') await pause(2);
  await execute('cont');
}

/** Gives the guest its identity and waits until it has its address. */
async function configure(
  controlPath: string,
  { kind, desktop }: z.infer<typeof inputSchema>['snapshot'],
  token: string,
): Promise<void> {
  const control = await connected(controlPath);
  control.write('\n');
  for await (const line of splitLines(control)) {
    const message = guestMessageSchema.safeParse(parsed(line)).data;
    if (message?.type === 'hello')
      control.write(
        encodeLine({
          ...{ type: 'configure', id: 1, token, seed: randomBytes(64).toString('base64') },
          identity: { vmId: VM_ID, kind, hostname: VM_ID, machineId: '1'.repeat(32), mac: MAC },
          display: desktop === null ? null : { geometry: desktop, vncPassword: 'barebare' },
          hostTimeMs: Date.now(),
        }),
      );
    if (message?.type === 'reply' && !message.ok)
      throw new Error(`the guest refused: ${message.error ?? ''}`);
    if (message?.type === 'address' && message.address.ip === IP) return;
  }
  throw new Error('the guest closed its control channel');
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // The rest of a line that was cut when the snapshot was made.
    return null;
  }
}

async function untilAnswered(token: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`http://${IP}:${AGENT_PORT}/health`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(1000),
    }).catch(() => null);
    if (answer?.status === 200) {
      const { vmId } = agentHealthSchema.parse(await answer.json());
      if (vmId !== VM_ID) throw new Error(`${vmId} answers`);
      return;
    }
    await pause(5);
  }
}

const input = inputSchema.parse(JSON.parse(process.argv[2] ?? ''));
const folder = mkdtempSync(join(tmpdir(), 'hearth-bare-'));
sh(`ip link set lo up; ip link add br0 type bridge; ip addr add 10.99.0.1/24 dev br0; ip link set br0 up
    ip tuntap add dev tap0 mode tap vnet_hdr; ip link set tap0 master br0 up`);
writeFileSync(join(folder, 'hosts'), `${MAC},${IP}\n`);
const dnsmasq = spawn(
  'dnsmasq',
  [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--interface=br0', '--bind-interfaces'],
    ...['--dhcp-range=10.99.0.0,static', '--dhcp-authoritative', '--no-ping', '--user=root'],
    ...[`--dhcp-hostsfile=${join(folder, 'hosts')}`, `--dhcp-leasefile=${join(folder, 'leases')}`],
  ],
  { stdio: 'ignore' },
);
await pause(500);
const spec = specOf(input, folder);
const machine = {
  accelerator: input.snapshot.machine.accelerator,
  tscKhz: await readTscKhz(),
  vmmUser: null,
};
const state = openSync(input.snapshot.state.path, 'r');
const log = openSync(join(folder, 'log'), 'a');
const token = randomBytes(32).toString('base64url');
const limit = AbortSignal.timeout(LIMIT_MS);

const startedMs = performance.now();
sh(`cp --sparse=always '${input.snapshot.upper.path}' '${join(folder, 'upper')}'`);
const qemu = spawn('qemu-system-x86_64', [...qemuArguments(spec, machine), '-S', '-incoming', 'defer'], {
  stdio: ['ignore', log, log, state],
});
try {
  const over = Promise.withResolvers<never>();
  qemu.once('exit', (code) => over.reject(new Error(`QEMU ended with ${String(code)}`)));
  limit.addEventListener('abort', () => over.reject(new Error(`no answer within ${LIMIT_MS} ms`)));
  const restore = async (): Promise<void> => {
    await load(spec.monitorSocketPath);
    await configure(spec.controlSocketPath, input.snapshot, token);
    await untilAnswered(token);
  };
  await Promise.race([restore(), over.promise]);
  process.stdout.write(`${(performance.now() - startedMs).toFixed(0)}\n`);
} finally {
  qemu.removeAllListeners('exit');
  qemu.kill('SIGKILL');
  dnsmasq.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
