import { asHearthError, type Address, type Check } from '@hearth/contract';
import { Resolver } from 'node:dns/promises';
import type { NetworkPlan } from './addressing.ts';
import { PROBE_NAME } from './dnsmasq-arguments.ts';
import { pinText } from './firewall.ts';
import type { NetworkSight } from './observe-network.ts';

/** Asks a DNS server for the IPv4 addresses of a name. */
export type AskName = (server: string, name: string, timeoutMs: number) => Promise<string[]>;

export const askName: AskName = (server, name, timeoutMs) => {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  resolver.setServers([server]);
  return resolver.resolve4(name);
};

const ANSWER_TIMEOUT_MS = 1000;

/** null where dnsmasq answers as ours does, else why not. */
export async function answerFault(ask: AskName, { gateway }: NetworkPlan): Promise<string | null> {
  try {
    const answer = await ask(gateway, PROBE_NAME, ANSWER_TIMEOUT_MS);
    return answer[0] === gateway ? null : `dnsmasq answered ${answer.join(', ') || 'nothing'}`;
  } catch (error) {
    return `dnsmasq does not answer at ${gateway}: ${asHearthError(error).detail}`;
  }
}

/** Whether the network really is what it should be, in short. */
export function networkChecks(sight: NetworkSight, plan: NetworkPlan, attached: readonly Address[]): Check[] {
  const check = (name: string, fault: string | null, seen: string): Check => ({
    name,
    ok: fault === null,
    detail: fault ?? seen,
  });
  const cidr = `${plan.gateway}/${plan.prefixLength}`;
  return [
    check(
      'bridge',
      bridgeFault(sight, plan, attached),
      `${plan.bridge} is up with ${cidr} and ${attached.length} VMs`,
    ),
    check('dnsmasq', sight.dnsmasqFault, `dnsmasq answers at ${plan.gateway}`),
    check(
      'firewall',
      firewallFault(sight, attached),
      `the rules are as they were set, with ${attached.length} interfaces pinned`,
    ),
  ];
}

function bridgeFault(
  { links }: NetworkSight,
  { bridge, gateway, prefixLength }: NetworkPlan,
  attached: readonly Address[],
): string | null {
  const found = links.find(({ name }) => name === bridge);
  const cidr = `${gateway}/${prefixLength}`;
  if (found === undefined) return `there is no bridge ${bridge}`;
  if (!found.up) return `${bridge} is down`;
  if (!found.addresses.includes(cidr))
    return `${bridge} has ${found.addresses.join(', ') || 'no address'} instead of ${cidr}`;
  const ports = new Set(links.filter(({ master }) => master === bridge).map(({ name }) => name));
  const missing = attached.filter(({ tap }) => !ports.has(tap));
  return missing.length === 0
    ? null
    : `not on the bridge: ${missing.map(({ tap, hostname }) => `${tap} of ${hostname}`).join(', ')}`;
}

function firewallFault({ rulesFault, pins }: NetworkSight, attached: readonly Address[]): string | null {
  if (rulesFault !== null) return rulesFault;
  const wanted = attached.map(pinText).sort();
  const found = pins.toSorted();
  return wanted.join('\n') === found.join('\n')
    ? null
    : `pinned are ${found.join(', ') || 'none'} instead of ${wanted.join(', ') || 'none'}`;
}
