import {
  makeFinding,
  layerOfCheck,
  whyCauses,
  type ErrorCode,
  type Finding,
  type WhyCause,
  type WhyCheck,
} from '@hearth/contract';
import { isGivenUp, valueOf, type Evidence } from '../evidence.ts';

/** These keep the network from a VM; what is only wrong beside them is told, and doesn't name the finding. */
const cutOff: readonly WhyCause[] = [
  'tap_missing',
  'tap_down',
  'tap_off_bridge',
  'bridge_missing',
  'bridge_down',
  'bridge_address_gone',
  'mac_unknown',
  'neighbour_wrong_mac',
  'firewall_changed',
  'pin_missing',
];
const agentDown: readonly WhyCause[] = ['agent_masked', 'agent_crashed', 'agent_hung'];
const refused: readonly WhyCause[] = [
  ...agentDown,
  'agent_wrong_version',
  'agent_of_another_vm',
  'token_refused',
];
const desktopDown: readonly WhyCause[] = ['display_dead', 'browser_dead'];
const dhcpBroken: readonly WhyCause[] = [
  'dnsmasq_dead',
  'reservation_missing',
  'lease_elsewhere',
  'foreign_firewall',
];

/**
 * The first broken check of the walk names the finding, unless one of these is found as well, wherever in the walk: then it is that
 * one's consequence, or matters less. `when` narrows it.
 */
const yieldsTo: Partial<
  Record<WhyCause, readonly { to: readonly WhyCause[]; when?: (evidence: Evidence) => boolean }[]>
> = {
  never_started: [{ to: ['host_disk_full'] }],
  // A VMM ends with its guest.
  vmm_killed: [{ to: ['kernel_panic', 'initramfs_failed'] }],
  console_missing: [
    {
      to: [
        'control_channel_closed',
        ...cutOff,
        ...dhcpBroken,
        ...refused,
        ...desktopDown,
        'unreachable_from_host',
      ],
    },
  ],
  guest_out_of_memory: [{ to: cutOff }],
  // Nobody there to talk: why, say what knows the agent.
  control_channel_closed: [{ to: agentDown }],
  guest_no_address: [{ to: [...cutOff, ...dhcpBroken] }],
  guest_wrong_address: [
    {
      to: ['lease_elsewhere'],
      when: (evidence) => {
        const mac = evidence.record.address?.mac;
        const lease = valueOf(evidence.network)?.leases.find(
          (one) => one.mac === mac && one.ip !== evidence.record.address?.ip,
        );
        const report = valueOf(evidence.report)?.report;
        const own = report?.addresses.map(({ ip }) => ip) ?? [evidence.words?.ip ?? null];
        return lease !== undefined && own.includes(lease.ip);
      },
    },
  ],
  duplicate_machine_id: [{ to: cutOff }],
  guest_clock_off: [{ to: cutOff }],
  guest_unit_failed: [{ to: [...cutOff, ...dhcpBroken, ...refused, ...desktopDown] }],
  guest_no_route: [{ to: ['bridge_missing', 'bridge_down', 'bridge_address_gone'] }],
  tap_off_bridge: [{ to: ['bridge_missing'] }],
  // Its reservation is what was changed.
  reservation_missing: [{ to: ['lease_elsewhere'] }],
  // Both cut off the way out; the way in doesn't pass them.
  forwarding_off: [{ to: [...refused, ...desktopDown] }],
  foreign_firewall: [{ to: [...refused, ...desktopDown] }],
  // The whole guest stands still.
  unreachable_from_host: [{ to: agentDown }],
};

type Broken = WhyCheck & { cause: WhyCause };
const isBroken = (check: WhyCheck): check is Broken => check.cause !== null;

/** The broken check that names the finding; null where none is broken. */
export function firstCause(checks: readonly WhyCheck[], evidence: Evidence): Broken | null {
  const all = checks.filter(isBroken);
  const causes = new Set(all.map(({ cause }) => cause));
  const explained = ({ cause }: Broken): boolean =>
    (yieldsTo[cause] ?? []).some(
      ({ to, when }) => to.some((other) => causes.has(other)) && (when?.(evidence) ?? true),
    );
  return all.find((check) => !explained(check)) ?? all[0] ?? null;
}

/** Of a VM that gave everything back, its failure is all that is left to judge by. */
const causeOfFailure: Partial<Record<ErrorCode, WhyCause>> = {
  kernel_panic: 'kernel_panic',
  vmm_failed: 'vmm_killed',
  vm_lost: 'vmm_killed',
  disk_full: 'host_disk_full',
  address_mismatch: 'guest_wrong_address',
  agent_version_mismatch: 'agent_wrong_version',
  agent_unreachable: 'unreachable_from_host',
  control_channel_failed: 'control_channel_closed',
  guest_not_ready: 'guest_unit_failed',
};

/** A VM that failed always has a finding: where no check is broken, its failure marks the one that it is about. */
export function markFailure(checks: readonly WhyCheck[], evidence: Evidence): WhyCheck[] {
  const { failure } = evidence.record;
  const fault = failure ?? evidence.lastFault;
  if (checks.some(isBroken) || !isGivenUp(evidence)) return [...checks];
  const cause = (fault === null ? undefined : causeOfFailure[fault.code]) ?? 'never_started';
  const detail = fault === null ? 'Nothing is known of its failure' : fault.detail;
  return checks.map((check) =>
    check.name === whyCauses[cause].check
      ? { ...check, status: 'broken', cause, says: detail, evidence: [...check.evidence, detail] }
      : check,
  );
}

export const findingOf = ({ cause, name, says }: Broken, at: Date): Finding =>
  makeFinding(cause, layerOfCheck[name], says, at);
