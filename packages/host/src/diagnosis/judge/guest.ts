import type { Address, GuestReport } from '@hearth/contract';
import { errorOf, valueOf, type Evidence, type ReportSight } from '../evidence.ts';
import { broken, notHad, ok, unknown, type Judge, type Judgement } from './judgement.ts';

const FULL_BELOW_MIB = 32;
const CLOCK_TOLERANCE_MS = 30_000;
/** `off` and `none` leave the kernel's hands off the network. */
const IP_ARGUMENT = /(?:^|\s)(ip=(?!off\b|none\b)\S+)/;
/** Units without which a VM isn't what it should be; what else its user runs there is the user's. */
const ESSENTIAL_UNIT = /^(hearth|systemd)-/;

/** The agent has answered, if only to say no: an older one knows no such message. */
const isRefusal = (detail: string | undefined): boolean => detail?.startsWith('the guest refused') === true;

export const judgeControlChannel: Judge<'control_channel'> = ({
  ping,
  report,
  controlOpen,
  vmm,
  words,
  record,
}) => {
  const tookMs = valueOf(ping);
  const sight = valueOf(report);
  if (tookMs !== undefined || sight !== undefined)
    return ok('The guest answers on it', [
      tookMs === undefined ? 'a report came' : `ping: ${Math.round(tookMs)} ms`,
    ]);
  const error = errorOf(ping);
  if (isRefusal(error?.detail) || isRefusal(errorOf(report)?.detail)) return ok('The guest answers on it');
  if (ping === null || error === undefined) return notHad(error, 'Nobody runs who could answer');
  const held = valueOf(vmm)?.guestHasControl;
  const reached = record.phases.at(-1)?.phase ?? 'nothing';
  const seen = [
    `host's end: ${controlOpen ? 'open' : 'closed'}`,
    `guest's end: ${held === undefined || held === null ? 'not known' : held ? 'open' : 'closed'}`,
    words?.helloVersion == null ? `the agent never spoke; last phase: ${reached}` : 'the agent spoke before',
    error.detail,
  ];
  // A VMM that stands still or is silent has nobody behind it who could be heard.
  if (vmm !== null && valueOf(vmm)?.running !== true) return unknown('Its VMM does not run', seen);
  if (!controlOpen) return broken('control_channel_closed', "The host's end is closed", seen);
  if (held === false) return broken('control_channel_closed', 'Nobody in the guest has its end open', seen);
  return broken('control_channel_closed', 'The guest gives no answer on it', seen);
};

export const judgeGuest: Judge<'guest'> = (evidence) => {
  const { record, plan, others, words, kernelArguments } = evidence;
  const { address } = record;
  const sight = valueOf(evidence.report);
  if (address === null) return notHad(undefined, 'It has no booked address');
  if (sight !== undefined)
    return (
      judgeLink(sight.report, address) ??
      judgeAddress(sight.report, address) ??
      judgeMachineId(sight.report, address, others) ??
      judgeRoute(sight.report, address, plan.gateway) ??
      judgeHealth(sight) ??
      ok('Its own view is as it should be', [
        `${address.ip} at ${address.mac}`,
        `${sight.report.disk.freeMiB} MiB of its disk free`,
      ])
    );
  // Without its report, what it once said of its address.
  if (words?.ip != null && words.ip !== address.ip) {
    const seen = [`the guest said ${words.ip}, booked is ${address.ip}`];
    const argument = IP_ARGUMENT.exec(kernelArguments.join(' '))?.[1];
    return argument === undefined
      ? broken('guest_wrong_address', `It took ${words.ip} instead of ${address.ip}`, seen)
      : broken('kernel_ip_argument', `Its kernel was given ${argument}`, seen);
  }
  return notHad(errorOf(evidence.report), 'It can’t be asked');
};

type Found = Judgement<'guest'> | null;

const ownAddresses = ({ links, addresses }: GuestReport, { mac }: Address): GuestReport['addresses'] => {
  const names = new Set(links.filter((link) => link.mac === mac).map(({ name }) => name));
  return addresses.filter((one) => one.mac === mac || names.has(one.interface));
};

function judgeLink({ links, addresses }: GuestReport, { mac }: Address): Found {
  const seen = links.map((link) => `${link.name}: ${link.mac} ${link.up ? 'up' : 'down'}`);
  const own = links.find((link) => link.mac === mac);
  if (own?.up === false) return broken('guest_interface_down', `${own.name} is down`, seen);
  if (own !== undefined) return null;
  if (addresses.some((one) => one.mac === mac)) return null;
  const other = links.find(({ name }) => name === 'eth0') ?? links[0] ?? addresses[0];
  if (other === undefined) return broken('guest_interface_missing', 'There is none but loopback', seen);
  return broken('guest_wrong_mac', `It has ${other.mac}, booked is ${mac}`, seen);
}

function judgeAddress(report: GuestReport, address: Address): Found {
  const argument = IP_ARGUMENT.exec(report.kernelCommandLine)?.[1];
  const found = ownAddresses(report, address).flatMap(({ ip }) => (ip === null ? [] : [ip]));
  const seen = [`addresses: ${found.join(', ') || 'none'}; booked: ${address.ip}`];
  if (argument !== undefined)
    return broken('kernel_ip_argument', `Its kernel was given ${argument}`, [argument, ...seen]);
  if (found.length === 0) return broken('guest_no_address', `It has none; booked is ${address.ip}`, seen);
  const wrong = found.filter((ip) => ip !== address.ip);
  return wrong.length === 0
    ? null
    : broken('guest_wrong_address', `It has ${wrong.join(', ')}, booked is ${address.ip}`, seen);
}

function judgeMachineId({ machineId }: GuestReport, address: Address, others: Evidence['others']): Found {
  const other = others.find((one) => one.machineId === machineId);
  const seen = [`machine-id ${machineId}, booked ${address.machineId}`];
  if (other !== undefined)
    return broken('duplicate_machine_id', `It has that of ${other.vmId}`, [
      ...seen,
      `${other.vmId} has it too`,
    ]);
  return machineId === '' || machineId === address.machineId
    ? null
    : broken('duplicate_machine_id', 'It has one that was copied, not the booked one', seen);
}

function judgeRoute(report: GuestReport, address: Address, gateway: string): Found {
  const { routes } = report;
  const known =
    routes.length > 0
      ? routes.some(
          (route) => route.startsWith(`default via ${gateway} `) || route === `default via ${gateway}`,
        )
      : ownAddresses(report, address).some((one) => one.gateway === gateway);
  return known ? null : broken('guest_no_route', `No default route leads to ${gateway}`, routes.slice(0, 5));
}

function judgeHealth({ report, askedAtMs, answeredAtMs }: ReportSight): Found {
  const { disk, timeMs, failedUnits, units } = report;
  // A total of 0: the guest could not tell.
  if (disk.totalMiB > 0 && disk.freeMiB < FULL_BELOW_MIB)
    return broken('guest_disk_full', `${disk.freeMiB} of ${disk.totalMiB} MiB are free`, [
      `${disk.freeMiB} of ${disk.totalMiB} MiB free`,
    ]);
  const aheadMs = timeMs > answeredAtMs ? timeMs - answeredAtMs : Math.min(0, timeMs - askedAtMs);
  if (timeMs > 0 && Math.abs(aheadMs) > CLOCK_TOLERANCE_MS) {
    const text = `${Math.abs(Math.round(aheadMs / 1000))} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;
    return broken('guest_clock_off', `It is ${text}`, [
      `${new Date(clampTime(timeMs)).toISOString()}: ${text}`,
    ]);
  }
  const named = new Set(units.map(({ name }) => name));
  const failed = failedUnits.filter((unit) => named.has(unit) || ESSENTIAL_UNIT.test(unit));
  return failed.length === 0
    ? null
    : broken('guest_unit_failed', failed.slice(0, 5).join(', '), failed.slice(0, 10));
}

/** Beyond it a Date has no text. */
const MAX_TIME_MS = 8.64e15;
const clampTime = (ms: number): number => Math.max(-MAX_TIME_MS, Math.min(MAX_TIME_MS, ms));
