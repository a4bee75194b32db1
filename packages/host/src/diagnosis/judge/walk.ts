import { layerOfCheck, whyChecks, type WhyCause, type WhyCheck, type WhyCheckName } from '@hearth/contract';
import { holdsThings, type Evidence } from '../evidence.ts';
import { judgeAgent, judgeReachability, judgeToken } from './agent.ts';
import { judgeConsole } from './console.ts';
import { judgeBrowser, judgeDisplay } from './desktop.ts';
import { judgeControlChannel, judgeGuest } from './guest.ts';
import type { Judge } from './judgement.ts';
import { judgeDisk, judgeProcess, judgeRecord, judgeVmm } from './machine.ts';
import {
  judgeBridge,
  judgeDnsmasq,
  judgeFirewall,
  judgeLease,
  judgeMac,
  judgeNeighbour,
  judgeTap,
} from './network.ts';

const judges: { readonly [Check in WhyCheckName]: Judge<Check> } = {
  record: judgeRecord,
  process: judgeProcess,
  disk: judgeDisk,
  vmm: judgeVmm,
  console: judgeConsole,
  control_channel: judgeControlChannel,
  guest: judgeGuest,
  tap: judgeTap,
  bridge: judgeBridge,
  mac: judgeMac,
  dnsmasq: judgeDnsmasq,
  lease: judgeLease,
  neighbour: judgeNeighbour,
  firewall: judgeFirewall,
  reachability: judgeReachability,
  agent: judgeAgent,
  token: judgeToken,
  display: judgeDisplay,
  browser: judgeBrowser,
};

/** What a VM that is coming up has not got yet, until it failed. */
const comesWithBoot: ReadonlySet<WhyCause> = new Set<WhyCause>([
  'vmm_paused',
  'control_channel_closed',
  'guest_interface_missing',
  'guest_interface_down',
  'guest_wrong_mac',
  'guest_no_address',
  'duplicate_machine_id',
  'guest_no_route',
  'guest_clock_off',
  'guest_unit_failed',
  'lease_missing',
  'unreachable_from_host',
  'unreachable_from_guest',
  'agent_masked',
  'agent_hung',
  'token_refused',
  'display_dead',
  'browser_dead',
]);
const comesBeforeBoot: ReadonlySet<WhyCause> = new Set<WhyCause>([
  ...comesWithBoot,
  'vmm_killed',
  'upper_disk_missing',
  'console_missing',
  'tap_missing',
  'tap_down',
  'tap_off_bridge',
  'mac_unknown',
  'reservation_missing',
  'neighbour_wrong_mac',
  'pin_missing',
]);

/** What `says` of a masked agent rests on before the guest's own word of it: silence, which a boot explains as well. */
const saidAbsent = ({ console }: Evidence): boolean =>
  console !== null && 'value' in console && console.value?.agent?.state === 'absent';

function isPending(cause: WhyCause, evidence: Evidence): boolean {
  const { trigger, record } = evidence;
  if (trigger === 'failed') return false;
  if (cause === 'agent_masked' && saidAbsent(evidence)) return false;
  if (record.state === 'creating') return comesBeforeBoot.has(cause);
  return record.state === 'booting' && comesWithBoot.has(cause);
}

/** Whose VM gave everything back: then only what concerns the whole host is looked at further. */
const OF_A_VM_ALONE: ReadonlySet<WhyCheckName> = new Set<WhyCheckName>([
  'control_channel',
  'guest',
  'reachability',
  'agent',
  'token',
  'display',
  'browser',
]);

/** All checks, in their order. Pure. */
export function walk(evidence: Evidence): WhyCheck[] {
  return whyChecks.map((name) => {
    const layer = layerOfCheck[name];
    if (OF_A_VM_ALONE.has(name) && !holdsThings(evidence))
      return { ...{ name, layer, cause: null, evidence: [] }, status: 'skipped', says: 'It gave all back' };
    const judgement = judges[name](evidence);
    if (judgement.cause === null || !isPending(judgement.cause, evidence))
      return { name, layer, ...judgement };
    const says = `Not yet: ${judgement.says}`;
    return { name, layer, ...judgement, status: 'unknown', cause: null, says };
  });
}
