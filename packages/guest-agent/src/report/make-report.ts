import {
  HearthError,
  type GuestAddress,
  type GuestReport,
  type Log,
  type ServiceState,
} from '@hearth/contract';
import { describeError } from '../log.ts';
import type { GuestSystem } from '../system/guest-system.ts';
import type { GuestView } from './guest-view.ts';
import { MAX_ENTRIES, short } from './parse.ts';

export interface ReportOptions {
  system: Pick<GuestSystem, 'machineId' | 'bootId' | 'hostname' | 'uptimeSeconds'>;
  view: GuestView;
  readAddresses: () => Promise<GuestAddress[]>;
  /** The interface whose gateway is asked. */
  interfaceName: string;
  services: ServiceState[];
  log: Log;
  now?: () => number;
  timeoutMs?: number;
}

const UNITS = ['hearth-agent.service', 'systemd-networkd.service'];
const DESKTOP_UNITS = ['hearth-display.service', 'hearth-window-manager.service', 'hearth-browser.service'];
/** On which kernel command line those of the desktop run; the units have the same condition. */
const HAS_DESKTOP = /(^|\s)hearth\.kind=browser(\s|$)/;
/** For the whole report: who asks waits little longer. */
const TIMEOUT_MS = 3800;

/**
 * The guest's own view of itself, for `why`. All is looked at side by side; what can't be had in time is left empty (0 for numbers: a
 * total of 0 means that it isn't known), logged, and holds nothing else up. Never rejects.
 */
export async function makeReport({
  system,
  view,
  readAddresses,
  interfaceName,
  services,
  log,
  now = Date.now,
  timeoutMs = TIMEOUT_MS,
}: ReportOptions): Promise<GuestReport> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new HearthError('internal', `not there within ${timeoutMs} ms`)),
    timeoutMs,
  );
  // Nobody may be waiting for it any more.
  late.catch(() => undefined);
  const part = async <T>(name: string, otherwise: T, read: () => Promise<T>): Promise<T> => {
    try {
      return await Promise.race([read(), late]);
    } catch (error) {
      log('a part of the report could not be had', { name, error: describeError(error) });
      return otherwise;
    }
  };
  const addresses = part('addresses', [], readAddresses);
  const commandLine = part('kernel command line', '', () => view.kernelCommandLine());
  try {
    const [
      machineId,
      bootId,
      links,
      allAddresses,
      routes,
      units,
      failedUnits,
      kernelCommandLine,
      memory,
      oomKills,
      disk,
      gateway,
    ] = await Promise.all([
      part('machine-id', '', () => system.machineId()),
      part('boot id', '', () => system.bootId()),
      part('links', [], () => view.links()),
      addresses,
      part('routes', [], () => view.routes()),
      part('units', [], async () =>
        view.units([...UNITS, ...(HAS_DESKTOP.test(await commandLine) ? DESKTOP_UNITS : [])]),
      ),
      part('failed units', [], () => view.failedUnits()),
      commandLine,
      part('memory', { availableMiB: 0, totalMiB: 0 }, () => view.memory()),
      part('OOM kills', 0, () => view.oomKills()),
      part('disk', { freeMiB: 0, totalMiB: 0 }, () => view.disk()),
      part<GuestReport['gateway']>('gateway', null, async () => {
        const own = (await addresses).find((address) => address.interface === interfaceName);
        return own?.gateway == null ? null : view.gateway(own.gateway);
      }),
    ]);
    return {
      hostname: system.hostname(),
      machineId: short(machineId),
      bootId: short(bootId),
      uptimeSeconds: system.uptimeSeconds(),
      links: links.slice(0, MAX_ENTRIES),
      addresses: allAddresses.slice(0, MAX_ENTRIES),
      routes: routes.slice(0, MAX_ENTRIES),
      services,
      units,
      failedUnits,
      kernelCommandLine: short(kernelCommandLine),
      memAvailableMiB: memory.availableMiB,
      memTotalMiB: memory.totalMiB,
      oomKills,
      disk,
      gateway,
      timeMs: now(),
    };
  } finally {
    clearTimeout(timer);
  }
}
