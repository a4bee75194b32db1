import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import {
  encodeLine,
  HearthError,
  parseConfig,
  servicesOfKind,
  type ConfigInput,
  type GuestCredential,
  type GuestMessage,
  type HostMessage,
  type ImageManifest,
  type SnapshotMachine,
  type SnapshotManifest,
  type VmId,
  type Why,
} from '@hearth/contract';
import type { VmRecord, VmRecords } from '../journal/vm-records.ts';
import { openAddressBook, unheld, type AddressRow, type AddressStore } from '../network/address-book.ts';
import { planNetwork } from '../network/addressing.ts';
import type { RunningVmm, Vmm, VmmSpec } from '../vmm/vmm.ts';
import { createAdmission, thisMachine } from './admission.ts';
import { createBootSlots } from './boot-slots.ts';
import { randomSecrets } from './boot-secrets.ts';
import type { DiagnosisSource } from './ports.ts';
import { VmHost } from './vm-host.ts';

const IMAGE = 'img-000000000000' as ImageManifest['id'];
const file = { path: '/f', sha256: '0'.repeat(64), bytes: 1 };
export const testImage = {
  id: IMAGE,
  kernel: { ...file, release: '6' },
  initrd: file,
  layers: [
    { ...file, role: 'base' },
    { ...file, role: 'agent' },
  ],
  agent: { version: '1', sha256: file.sha256 },
} as ImageManifest;
const model: SnapshotMachine = {
  vmm: { name: 'qemu', version: '7' },
  ...{ accelerator: 'tcg', model: 'm', processor: 'any', tscKhz: 1 },
};

/** Finds nothing, and remembers what it was told to keep. */
export function testDiagnosis(): DiagnosisSource {
  const kept = new Map<VmId, Why>();
  return {
    diagnose: ({ record }, trigger) =>
      Promise.resolve({
        ...{ vmId: record.id, at: new Date(0).toISOString(), trigger, verdict: 'healthy' as const },
        ...{ summary: 'nothing was found', finding: null, checks: [], tookMs: 0 },
      }),
    keep: (why) => Promise.resolve(void kept.set(why.vmId, why)),
    find: (vmId) => Promise.resolve(kept.get(vmId) ?? null),
  };
}

interface Process {
  spec: VmmSpec;
  paused: boolean;
  /** What its guest was given. */
  credential: GuestCredential | null;
  exited: PromiseWithResolvers<string>;
}

/** What goes on when a host daemon dies: processes, TAPs and files. Daemons come and go on it. */
export interface TestMachine {
  /** pid → VMM. */
  vmms: Map<number, Process>;
  taps: Set<string>;
  journal: Map<VmId, VmRecord>;
  addresses: Map<VmId, AddressRow>;
  /** The next daemon. It dies, with nothing more said or done, at its write number `diesAt` of the journal. */
  daemon(diesAt?: number): { host: VmHost; died: Promise<void>; writes: () => number };
  /** The next start from saved memory is refused by the VMM. */
  refuseLoad: { next: boolean };
  /** Saving fails as on a full disk. */
  diskFull: { on: boolean };
  hasDisk(id: VmId): Promise<boolean>;
  stateDir: string;
}

export interface TestMachineOptions {
  /** Its CLI VMs start from a golden snapshot. */
  golden?: boolean;
  config?: ConfigInput;
  /** A journal on a disk beside the one in memory, which is what it held at first. */
  durable?: { records: VmRecords; store: AddressStore };
  /** What its daemons diagnose with; {@link testDiagnosis} where left out. */
  diagnosis?: DiagnosisSource;
}

export async function makeTestMachine(
  folder: string,
  { golden = true, config: input = {}, durable, diagnosis }: TestMachineOptions = {},
): Promise<TestMachine> {
  const config = parseConfig(
    {
      ...{ stateDir: join(folder, 'state'), runDir: join(folder, 'run') },
      ...input,
      vms: { reserveMemMiB: 0, ...input.vms },
    },
    {},
  );
  await mkdir(config.stateDir, { recursive: true });
  const template = join(folder, 'template');
  await writeFile(template, 'a disk');
  const snapshot = {
    id: 'snp-000000000000',
    ...{ kind: 'cli', imageId: IMAGE, machine: model },
    memory: { ...file, path: join(folder, 'memory') },
    state: { ...file, path: template },
    upper: { ...file, path: template },
  } as unknown as SnapshotManifest;

  const vmms = new Map<number, Process>();
  const taps = new Set<string>();
  const journal = new Map(durable?.records.load().map((record) => [record.id, record]));
  const addresses = new Map(durable?.store.load().map((row) => [row.vmId, row]));
  const refuseLoad = { next: false };
  const diskFull = { on: false };
  let lastPid = 100;

  const daemon: TestMachine['daemon'] = (diesAt = Infinity) => {
    let writes = 0;
    const death = Promise.withResolvers<undefined>();
    const gone = new Promise<never>(() => undefined);
    /** A dead daemon does nothing and hears nothing. */
    const living = async <T>(effect: () => T | Promise<T>): Promise<T> => {
      await Promise.resolve();
      return writes >= diesAt ? gone : effect();
    };
    /** Every write is a moment after which the daemon may be gone. */
    const write = (effect: () => void): void => {
      if (writes >= diesAt) return;
      writes += 1;
      effect();
      if (writes >= diesAt) death.resolve(undefined);
    };
    const put = (record: VmRecord): void =>
      write(() => {
        journal.set(record.id, record);
        durable?.records.put(record);
      });

    const attach = (pid: number, process: Process): RunningVmm => ({
      process: { pid, startTicks: 1 },
      exited: process.exited.promise,
      inspect: () =>
        living(() => {
          if (vmms.get(pid) !== process) throw new HearthError('vmm_failed', 'its monitor is silent');
          const status = process.paused ? 'paused' : 'running';
          return { status, running: !process.paused, guestHasControl: true };
        }),
      pause: () => living(() => void (process.paused = true)),
      resume: () => living(() => void (process.paused = false)),
      save: (path) =>
        living(async () => {
          if (!process.paused) throw new Error('saved while it runs');
          if (diskFull.on) throw new HearthError('disk_full', 'planted');
          const text = `memory of ${process.spec.vmId} ${JSON.stringify(process.credential)}`;
          await writeFile(path, text);
          return { bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') };
        }),
      openControl: () => living(() => guestOf(process)),
      kill: () =>
        living(() => {
          vmms.delete(pid);
          process.exited.resolve('killed');
        }),
      release: () => undefined,
    });
    const launch = async (
      spec: VmmSpec,
      paused: boolean,
      onSpawned: (identity: { pid: number; startTicks: number }) => void,
    ): Promise<RunningVmm> => {
      lastPid += 1;
      const process: Process = { spec, paused, credential: null, exited: Promise.withResolvers<string>() };
      vmms.set(lastPid, process);
      onSpawned({ pid: lastPid, startTicks: 1 });
      return attach(lastPid, process);
    };
    const vmm: Vmm = {
      name: 'qemu',
      snapshots: {
        machine: () => Promise.resolve(model),
        load: (spec, path, _progress, onSpawned) =>
          living(async () => {
            await readFile(path);
            const refuse = refuseLoad.next;
            refuseLoad.next = false;
            if (refuse) throw new HearthError('snapshot_invalid', 'planted');
            // It may have died over the file.
            return living(() => launch(spec, true, onSpawned));
          }),
      },
      start: (spec, _progress, onSpawned) => living(() => launch(spec, false, onSpawned)),
      adopt: (spec, recorded) =>
        living(() => {
          const found = [...vmms].find(([pid, process]) =>
            recorded === null ? process.spec.vmId === spec.vmId : pid === recorded.pid,
          );
          return found === undefined ? null : attach(...found);
        }),
    };
    const book = openAddressBook({
      plan: planNetwork(config),
      store: {
        load: () => [...addresses.values()],
        put: (row) =>
          write(() => {
            addresses.set(row.vmId, row);
            durable?.store.put(row);
          }),
        delete: (id) =>
          write(() => {
            addresses.delete(id);
            durable?.store.delete(id);
          }),
      },
      randomBytes,
    });
    // As runtime.ts does.
    for (const { vmId } of unheld(book.list(), [...journal.values()])) book.free(vmId);
    const host = new VmHost({
      ...{
        config,
        randomBytes,
        caCertificates: [],
        addresses: book,
        now: Date.now,
        // As many CPUs as anybody asks for: what a real machine has is not the matter here.
        admission: createAdmission(config, () => false, { ...thisMachine(config), cpus: 100_000 }),
        slots: createBootSlots(4),
        log: () => undefined,
      },
      bootSecrets: () => randomSecrets(randomBytes),
      agents: {
        health: ({ ip }) =>
          living(() => {
            const process = [...vmms.values()].find(({ spec }) => addresses.get(spec.vmId)?.ip === ip);
            if (process === undefined || process.paused)
              throw new HearthError('agent_unreachable', 'nobody is there');
            const { vmId } = process.spec;
            return { status: 'ok' as const, version: '1', uptimeSeconds: 1, vmId, services: [] };
          }),
        forward: () => Promise.reject(new Error('nothing is forwarded here')),
        close: () => Promise.resolve(),
      },
      diagnosis: diagnosis ?? testDiagnosis(),
      goldens: {
        find: () => living(() => (golden ? { manifest: snapshot } : null)),
        reject: () => undefined,
      },
      vmm: () => Promise.resolve(vmm),
      probe: () => Promise.resolve({ accelerator: 'tcg' as const, slowness: 1, detail: '' }),
      images: {
        current: () => Promise.resolve(testImage),
        byId: () => Promise.resolve(testImage),
        upperTemplate: () => Promise.resolve(template),
      },
      network: {
        attach: ({ tap }) => living(() => void taps.add(tap)),
        detach: ({ tap }) => living(() => void taps.delete(tap)),
      },
      records: {
        load: () => [...journal.values()],
        put,
        remove: (id) =>
          write(() => {
            journal.delete(id);
            durable?.records.remove(id);
          }),
      },
    });
    return { host, died: death.promise, writes: () => writes };
  };

  const guestOf = (process: Process): Duplex => {
    const stream = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        done();
        for (const line of chunk
          .toString()
          .split('\n')
          .filter((text) => text !== ''))
          answer(JSON.parse(line) as HostMessage);
      },
    });
    const say = (message: GuestMessage): void => {
      if (!process.paused) stream.push(encodeLine(message));
    };
    const answer = (message: HostMessage): void => {
      const asked = message.type === 'credential-get' || message.type === 'credential-drop';
      const data = asked ? process.credential : null;
      if (message.type === 'credential-put') process.credential = message.credential;
      if (message.type === 'credential-drop') process.credential = null;
      say({ type: 'reply', id: message.id, ok: true, data });
      if (message.type === 'shutdown') {
        for (const [pid, one] of vmms) if (one === process) vmms.delete(pid);
        process.exited.resolve('powered off');
      }
      if (message.type !== 'configure') return;
      const ip = addresses.get(process.spec.vmId)?.ip ?? null;
      const address = { interface: 'eth0', mac: message.identity.mac, ip, prefixLength: 24, gateway: null };
      say({ type: 'address', address });
      const services = servicesOfKind[message.identity.kind].map((name) => ({
        ...{ name, state: 'running' as const, detail: '' },
      }));
      say({ type: 'services', services });
    };
    setImmediate(() => say({ type: 'hello', agentVersion: '1', bootId: 'b', uptimeSeconds: 1 }));
    return stream;
  };

  return {
    ...{ vmms, taps, journal, addresses, daemon, refuseLoad, diskFull, stateDir: config.stateDir },
    hasDisk: (id) =>
      stat(join(config.stateDir, 'vms', id, 'upper.ext4')).then(
        () => true,
        () => false,
      ),
  };
}
