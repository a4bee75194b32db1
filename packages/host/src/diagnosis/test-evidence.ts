import {
  HearthError,
  parseConfig,
  servicesOfKind,
  type AgentHealth,
  type GuestReport,
  type ServiceState,
  type VmId,
  type VmKind,
} from '@hearth/contract';
import { vmRecordSchema, type VmRecord } from '../journal/vm-records.ts';
import { macOf, planNetwork, tapOf } from '../network/addressing.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { Evidence } from './evidence.ts';
import type { ConsoleSigns } from './look/console-signs.ts';

/** Evidence of VMs that are well, for tests to break. */

export const plan = planNetwork(parseConfig({}, {}));
export const NOW_MS = Date.parse('2026-01-01T12:00:00Z');
export const ID = 'vm-000000000001' as VmId;
export const OTHER_ID = 'vm-000000000002' as VmId;
const ip = '192.168.100.9';
export const address = {
  ...{ ip, mac: macOf(ip), tap: tapOf(ip), hostname: ID },
  machineId: 'a'.repeat(32),
};
export const OTHER_MACHINE_ID = 'b'.repeat(32);
export const VERSION = '0.1.0';

export const noSigns: ConsoleSigns = {
  ...{ panic: null, outOfMemory: null, emergency: null, initramfs: null, agent: null },
};
export const servicesOf = (kind: VmKind): ServiceState[] =>
  servicesOfKind[kind].map((name) => ({ name, state: 'running', detail: 'it answers' }));
export const fault = (code: HearthError['code'], detail = 'planted'): { error: HearthError } => ({
  error: new HearthError(code, detail),
});

export const recordOf = (kind: VmKind, also: Partial<VmRecord> = {}): VmRecord => ({
  ...vmRecordSchema.parse({
    ...{ id: ID, kind, state: 'ready', cpus: 1, memMiB: 2048, diskMiB: 1024, version: 7 },
    ...{ imageId: 'img-000000000000', address, origin: 'image', failure: null, credentials: [] },
    desktop: kind === 'browser' ? { width: 1280, height: 720 } : null,
    phases: ['admitted', 'vmm', 'agent', 'ready'].map((phase, at) => ({ phase, atMs: at })),
    ...{ requestedAtMs: NOW_MS - 3_600_000, requestId: 'r', vmm: { pid: 4242, startTicks: 1 } },
  }),
  ...also,
});

export const reportOf = (kind: VmKind): GuestReport => ({
  ...{ hostname: ID, machineId: address.machineId, bootId: 'boot', uptimeSeconds: 100 },
  links: [{ name: 'eth0', mac: address.mac, up: true }],
  addresses: [{ interface: 'eth0', mac: address.mac, ip, prefixLength: 24, gateway: plan.gateway }],
  routes: [`default via ${plan.gateway} dev eth0 proto dhcp src ${ip} metric 1024`],
  services: servicesOf(kind),
  units: [{ name: 'hearth-agent.service', load: 'loaded', state: 'active/running', restarts: 0 }],
  failedUnits: [],
  kernelCommandLine: 'console=ttyS0 quiet net.ifnames=0',
  ...{ memAvailableMiB: 900, memTotalMiB: 1990, oomKills: 0 },
  disk: { freeMiB: 800, totalMiB: 1024 },
  gateway: { ok: true, detail: 'it answers' },
  timeMs: NOW_MS,
});

export const sightOf = (): NetworkSight => ({
  links: [
    {
      ...{ name: plan.bridge, up: true, carrier: true, master: null, mac: macOf(plan.gateway) },
      addresses: [`${plan.gateway}/${plan.prefixLength}`],
    },
    {
      name: address.tap,
      up: true,
      carrier: true,
      master: plan.bridge,
      mac: '00:00:00:00:00:01',
      addresses: [],
    },
  ],
  fdb: [{ mac: address.mac, interface: address.tap }],
  neighbours: [],
  leases: [{ expiresAtSeconds: 0, mac: address.mac, ip, hostname: ID, clientId: '*' }],
  reservations: [{ mac: address.mac, ip }],
  pins: [`${address.tap} ${address.mac} ${ip}`],
  ...{ rulesFault: null, foreignDrops: [], forwarding: true, dnsmasqFault: null },
});

export const healthOf = (kind: VmKind): AgentHealth => ({
  ...{ status: 'ok', version: VERSION, uptimeSeconds: 90, vmId: ID, services: servicesOf(kind) },
});

/** All of a VM of that kind is as it should be, but for what `also` says. */
export const evidenceOf = (kind: VmKind, also: Partial<Evidence> = {}): Evidence => ({
  ...{ record: recordOf(kind), trigger: 'asked', plan, nowMs: NOW_MS, kernelArguments: [] },
  ...{ agentVersion: VERSION, stateDir: '/state', lastFault: null, controlOpen: true },
  others: [{ vmId: OTHER_ID, machineId: OTHER_MACHINE_ID }],
  process: { value: { pid: 4242, state: 'S', commandLine: `qemu-system-x86_64 -name hearth-${ID}` } },
  upperIsThere: { value: true },
  freeMiB: { value: 50_000 },
  vmm: { value: { status: 'running', running: true, guestHasControl: true } },
  console: { value: noSigns },
  words: { helloVersion: VERSION, configured: true, ip, services: servicesOf(kind) },
  ping: { value: 3 },
  report: { value: { report: reportOf(kind), askedAtMs: NOW_MS, answeredAtMs: NOW_MS + 5 } },
  network: { value: sightOf() },
  reach: { value: { outcome: 'accepted', detail: `${ip}:8080: accepted` } },
  health: { value: healthOf(kind) },
  display: kind === 'browser' ? { value: 'RFB, 1280x720' } : null,
  ...also,
});

export const withReport = (also: Partial<GuestReport>, kind: VmKind = 'cli'): Partial<Evidence> => ({
  report: { value: { report: { ...reportOf(kind), ...also }, askedAtMs: NOW_MS, answeredAtMs: NOW_MS } },
});
export const withSight = (change: (sight: NetworkSight) => Partial<NetworkSight>): Partial<Evidence> => {
  const sight = sightOf();
  return { network: { value: { ...sight, ...change(sight) } } };
};

/** Nobody can be reached over the network; the guest still talks on its control channel. */
export const unreachable: Partial<Evidence> = {
  reach: { value: { outcome: 'unreachable', detail: `${ip}:8080: EHOSTUNREACH` } },
  health: fault('agent_unreachable', 'EHOSTUNREACH'),
};
/** The agent is gone, its guest goes on. */
export const agentGone: Partial<Evidence> = {
  vmm: { value: { status: 'running', running: true, guestHasControl: false } },
  ping: fault('deadline_exceeded'),
  report: fault('deadline_exceeded'),
  reach: { value: { outcome: 'refused', detail: `${ip}:8080: ECONNREFUSED` } },
  health: fault('agent_unreachable', 'ECONNREFUSED'),
};
/** Its VMM stands still or is gone. */
export const nobodyThere: Partial<Evidence> = {
  vmm: fault('guest_not_ready', 'Not asked'),
  ping: fault('guest_not_ready', 'Not asked'),
  report: fault('guest_not_ready', 'Not asked'),
  reach: fault('guest_not_ready', 'Not asked'),
  health: fault('guest_not_ready', 'Not asked'),
};
