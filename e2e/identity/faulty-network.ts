import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  AGENT_PORT,
  guestReportSchema,
  imageManifestSchema,
  pause,
  startProgress,
  vmIdSchema,
  type GuestReport,
  type ImageManifest,
} from '@hearth/contract';
import { putIntoDisk } from '@hearth/testing';
import { z } from 'zod';
import { openControlChannel } from '../../packages/host/src/guest-link/control-channel.ts';
import { readTscKhz } from '../../packages/host/src/vmm/accelerator.ts';
import { qemuArguments } from '../../packages/host/src/vmm/qemu/command-line.ts';
import { tryConnect } from '../../packages/host/src/vmm/qemu/qmp.ts';
import type { VmmSpec } from '../../packages/host/src/vmm/vmm.ts';

/**
 * Guests of the golden image on a network as it was before Hearth: a bridge and a dnsmasq with a pool, nothing else.
 * Runs in a namespace of its own; input by argv, the findings on standard output. The rounds follow one another, and the
 * VMs of a round are killed at its end with nothing told to dnsmasq.
 */
const guestSchema = z.object({
  mac: z.string(),
  /** Reserved for that MAC, as a controller would have written it down; null: the pool decides. */
  booked: z.string().nullable(),
  machineId: z.string(),
  /** A network file that systemd-networkd prefers to that of the image. */
  networkFile: z.string().nullable(),
});
const inputSchema = z.object({
  manifest: imageManifestSchema,
  template: z.string(),
  accelerator: z.enum(['kvm', 'tcg']),
  folder: z.string(),
  rounds: z.array(z.array(guestSchema)),
});
const findingSchema = z.object({
  /** The guest's own view, by the control channel. */
  report: guestReportSchema,
  ip: z.string(),
  /** What dialling the booked address came to: `answered`, or the code of the error. */
  dialled: z.string().nullable(),
});
export const faultyNetworkSchema = z.object({
  rounds: z.array(z.array(findingSchema)),
  /** dnsmasq's lease file at the end. */
  leases: z.string(),
  dnsmasq: z.string(),
});
type Guest = z.infer<typeof guestSchema>;
export type FaultyNetworkInput = z.input<typeof inputSchema>;

const GATEWAY = '10.99.0.1';
const BOOT_TIMEOUT_MS = 240_000;
const DIAL_TIMEOUT_MS = 8000;
const MEM_MIB = 1024;

function sh(command: string): void {
  const { status, stderr } = spawnSync('sh', ['-ec', command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}

/** A child that dies with us. */
const startBound = (command: string, args: string[]): ChildProcess =>
  spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });

async function main(input: z.infer<typeof inputSchema>): Promise<z.infer<typeof faultyNetworkSchema>> {
  const { folder, rounds } = input;
  sh(`ip link add br0 type bridge; ip addr add ${GATEWAY}/24 dev br0; ip link set br0 up`);
  const hosts = join(folder, 'hosts');
  const leases = join(folder, 'leases');
  const reserve = (guests: Guest[]): Promise<void> =>
    writeFile(
      hosts,
      guests.flatMap(({ mac, booked }) => (booked === null ? [] : [`${mac},${booked}\n`])).join(''),
    );
  await reserve(rounds[0] ?? []);
  const dnsmasq = startBound('dnsmasq', [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--user=root', '--no-ping'],
    ...['--interface=br0', '--bind-interfaces', '--dhcp-range=10.99.0.50,10.99.0.99,1h'],
    ...[`--dhcp-hostsfile=${hosts}`, `--dhcp-leasefile=${leases}`, '--log-facility=-'],
    `--pid-file=${join(folder, 'dnsmasq.pid')}`,
  ]);
  let words = '';
  dnsmasq.stderr?.on('data', (chunk: Buffer) => (words += chunk.toString()));
  // A signal before it is ready for one would end it.
  const starting = startProgress({ what: 'start of dnsmasq', timeoutMs: 10_000 });
  while (!words.includes('sockets bound')) await pause(20, starting.signal);
  const findings: z.infer<typeof findingSchema>[][] = [];
  for (const [index, guests] of rounds.entries()) {
    await reserve(guests);
    dnsmasq.kill('SIGHUP');
    // They boot at once but come onto the bridge one by one, each once the one before has its address: dnsmasq picks by the
    // MAC until a client id has a lease, so two that ask at the same moment would be offered two addresses.
    let turn: Promise<unknown> = Promise.resolve();
    findings.push(
      await Promise.all(
        guests.map((guest, place) => {
          const { promise: addressed, resolve: onAddress } = Promise.withResolvers<string>();
          const finding = bootAndLook(input, guest, `${index}${place}`, { turn, addressed, onAddress });
          turn = addressed;
          return finding;
        }),
      ),
    );
    for (const vmm of running.splice(0)) await end(vmm);
  }
  await end(dnsmasq);
  return { rounds: findings, leases: await readFile(leases, 'utf8'), dnsmasq: words };
}

const running: ChildProcess[] = [];

async function end(child: ChildProcess): Promise<void> {
  const over = once(child, 'exit');
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await over;
}

/** One guest among those of its round. */
interface Place {
  /** Ends once it may come onto the bridge. */
  turn: Promise<unknown>;
  /** Its own address. */
  addressed: Promise<string>;
  onAddress: (ip: string) => void;
}

async function bootAndLook(
  { manifest, template, accelerator, folder }: z.infer<typeof inputSchema>,
  guest: Guest,
  name: string,
  { turn, addressed, onAddress }: Place,
): Promise<z.infer<typeof findingSchema>> {
  const spec = specOf(manifest, guest, folder, name);
  const upper = join(folder, `upper${name}`);
  sh(`ip tuntap add dev ${spec.tap} mode tap vnet_hdr; ip link set ${spec.tap} up
      cp --sparse=always ${template} ${upper}; chmod 600 ${upper}`);
  if (guest.networkFile !== null)
    await putIntoDisk(upper, '/etc/systemd/network/05-fault.network', guest.networkFile);
  const machine = { accelerator, tscKhz: await readTscKhz(), vmmUser: null };
  const vmm = startBound('qemu-system-x86_64', qemuArguments(spec, machine));
  running.push(vmm);
  let vmmWords = '';
  vmm.stderr?.on('data', (chunk: Buffer) => (vmmWords += chunk.toString()));
  const progress = startProgress({ what: `boot of guest ${name}`, timeoutMs: BOOT_TIMEOUT_MS });
  for (;;) {
    if (vmm.exitCode !== null) throw new Error(`QEMU ended: ${vmmWords}`);
    const socket = await tryConnect(spec.controlSocketPath);
    if (socket === null) {
      await pause(50, progress.signal);
      continue;
    }
    const { promise: greeted, resolve: onHello } = Promise.withResolvers<undefined>();
    const channel = openControlChannel(
      socket,
      (message) => {
        if (message.type === 'hello') onHello(undefined);
        if (message.type === 'address' && message.address.ip !== null) onAddress(message.address.ip);
      },
      () => undefined,
    );
    const within = <T>(wait: Promise<T>): Promise<T> =>
      Promise.race([
        wait,
        once(progress.signal, 'abort').then(() => {
          throw progress.signal.reason;
        }),
      ]);
    await within(greeted);
    const identity = {
      vmId: spec.vmId,
      kind: 'cli' as const,
      hostname: 'clone',
      machineId: guest.machineId,
      mac: guest.mac,
    };
    const seed = randomBytes(64).toString('base64');
    await channel.request(
      {
        type: 'configure',
        identity,
        token: 't'.repeat(43),
        display: null,
        seed,
        caCertificates: [],
        hostTimeMs: Date.now(),
      },
      progress,
    );
    await within(turn);
    sh(`ip link set ${spec.tap} master br0`);
    const ip = await within(addressed);
    const report: GuestReport = guestReportSchema.parse(await channel.request({ type: 'report' }, progress));
    return { report, ip, dialled: guest.booked === null ? null : await dial(guest.booked) };
  }
}

async function dial(ip: string): Promise<string> {
  const socket = connect({ host: ip, port: AGENT_PORT, timeout: DIAL_TIMEOUT_MS });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once('connect', () => resolve('answered'));
  socket.once('timeout', () => resolve('timeout'));
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

function specOf(manifest: ImageManifest, { mac, machineId }: Guest, folder: string, name: string): VmmSpec {
  const layer = (role: 'base' | 'agent'): string =>
    manifest.layers.find((candidate) => candidate.role === role)?.path ?? '';
  return {
    vmId: vmIdSchema.parse(`vm-${name.padStart(12, '0')}`),
    ...{
      cpus: 2,
      memMiB: MEM_MIB,
      memory: null,
      kernelPath: manifest.kernel.path,
      initrdPath: manifest.initrd.path,
    },
    kernelArguments: [
      ...['quiet', 'net.ifnames=0', `systemd.machine_id=${machineId}`, 'systemd.hostname=clone'],
      'hearth.kind=cli',
    ],
    drives: [
      { id: 'base', path: layer('base'), readOnly: true },
      { id: 'agent', path: layer('agent'), readOnly: true },
      { id: 'upper', path: join(folder, `upper${name}`), readOnly: false },
    ],
    ...{ tap: `tap${name}`, mac, consolePath: join(folder, `console${name}`) },
    ...{
      controlSocketPath: join(folder, `control${name}`),
      monitorSocketPath: join(folder, `monitor${name}`),
      logPath: join(folder, `log${name}`),
      pidPath: join(folder, `pid${name}`),
      saveSocketPath: join(folder, `save${name}`),
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const findings = await main(inputSchema.parse(JSON.parse(process.argv[2] ?? '')));
  process.stdout.write(`${JSON.stringify(findings)}\n`);
  process.exit(0);
}
