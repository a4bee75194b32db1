import type { Address, Log, Progress } from '@hearth/contract';
import { asHearthError } from '@hearth/contract';
import type { NetworkPlan } from './addressing.ts';
import type { Dnsmasq } from './dnsmasq.ts';
import { writeKernelSetting } from './kernel-settings.ts';
import type { Lease } from './leases.ts';
import { ensureBridge, ensureTap, forgetNeighbour, listLinks } from './links.ts';
import type { Run } from './run-port.ts';

/**
 * What puts one thing of the network right again. bridge-anew: the bridge was gone, and dnsmasq listens on the one that was;
 * port: TAP on the bridge, up, isolated, its MAC known; dnsmasq: it serves and answers.
 */
export type Remedy =
  | { type: 'bridge' | 'bridge-anew' | 'forwarding' | 'rules' | 'reservations' | 'dnsmasq' }
  | { type: 'port' | 'neighbour'; ip: string }
  | { type: 'lease'; lease: Pick<Lease, 'mac' | 'ip'> };

/** In which order things are put right: each stands on those before. */
const ORDER: readonly Remedy['type'][] = [
  'rules',
  'bridge-anew',
  'bridge',
  'forwarding',
  'port',
  'neighbour',
  'dnsmasq',
  'reservations',
  'lease',
];

export interface RemedyParts {
  run: Run;
  plan: NetworkPlan;
  vmmUser: string;
  /** By IP: VMs that are attached now. */
  attached: ReadonlyMap<string, Address>;
  dnsmasq: Dnsmasq;
  loadRules: (progress: Progress) => Promise<void>;
  log: Log;
}

/** Does all of it, each once; what can't be done is logged, as another look tells. */
export async function applyRemedies(
  remedies: readonly Remedy[],
  parts: RemedyParts,
  progress: Progress,
): Promise<void> {
  const unique = new Map(remedies.map((remedy) => [JSON.stringify(remedy), remedy]));
  const sorted = [...unique.values()].sort((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type));
  for (const remedy of sorted) {
    try {
      await apply(remedy, parts, progress);
    } catch (error) {
      progress.throwIfAborted();
      parts.log('what drifted could not be put right', {
        layer: 'network',
        remedy,
        error: asHearthError(error).detail,
      });
    }
  }
}

async function apply(remedy: Remedy, parts: RemedyParts, progress: Progress): Promise<void> {
  const { run, plan, vmmUser, attached, dnsmasq, loadRules } = parts;
  const { signal } = progress;
  switch (remedy.type) {
    case 'rules':
      await loadRules(progress);
      return;
    case 'bridge':
      await ensureBridge(run, plan, progress);
      return;
    case 'bridge-anew':
      await ensureBridge(run, plan, progress);
      await dnsmasq.restart(progress);
      return;
    case 'forwarding':
      await writeKernelSetting(run, 'net/ipv4/ip_forward', '1', { signal });
      return;
    case 'port': {
      // A VM that went meanwhile has no port.
      const address = attached.get(remedy.ip);
      if (address !== undefined)
        await ensureTap(run, plan, address, vmmUser, await listLinks(run, signal), signal);
      return;
    }
    case 'neighbour':
      await forgetNeighbour(run, plan, remedy.ip, signal);
      return;
    case 'dnsmasq':
      // One that ended is started again by its supervisor; one that runs and doesn't answer hangs.
      if (dnsmasq.fault() === null) await dnsmasq.restart(progress);
      else await dnsmasq.untilServing(progress);
      return;
    case 'reservations':
      await dnsmasq.setReservations([...attached.values()], progress);
      return;
    case 'lease': {
      const address = attached.get(remedy.lease.ip);
      // The booked one is no drift any more.
      if (address?.mac !== remedy.lease.mac) await dnsmasq.releaseLease(remedy.lease, progress);
    }
  }
}
