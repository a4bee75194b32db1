import { asHearthError, type Address, type Check, type Progress } from '@hearth/contract';
import { Resolver } from 'node:dns/promises';
import type { NetworkPlan } from './addressing.ts';
import { PROBE_NAME } from './dnsmasq-arguments.ts';
import { TABLE, type Pin } from './firewall.ts';
import { listLinks } from './links.ts';
import { listTable } from './nftables.ts';
import type { Run } from './run-port.ts';

/** Asks a DNS server for the IPv4 addresses of a name. */
export type AskName = (server: string, name: string, timeoutMs: number) => Promise<string[]>;

export const askName: AskName = (server, name, timeoutMs) => {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  resolver.setServers([server]);
  return resolver.resolve4(name);
};

interface ChecksInput {
  run: Run;
  ask: AskName;
  plan: NetworkPlan;
  progress: Progress;
  attached: readonly Address[];
  expected: Record<'bridge' | 'inet', string> | null;
  dnsmasqFault: string | null;
}

const ANSWER_TIMEOUT_MS = 1000;

/** Whether the network really is what it should be. */
export async function networkChecks(input: ChecksInput): Promise<Check[]> {
  return Promise.all([
    check('bridge', () => checkBridge(input)),
    check('dnsmasq', () => checkDnsmasq(input)),
    check('firewall', () => checkFirewall(input)),
  ]);
}

/** @param probe says what is wrong by throwing, and otherwise what it saw */
async function check(name: string, probe: () => Promise<Finding>): Promise<Check> {
  try {
    const { fault, seen } = await probe();
    return { name, ok: fault === undefined, detail: fault ?? seen };
  } catch (error) {
    return { name, ok: false, detail: asHearthError(error).detail };
  }
}

interface Finding {
  fault?: string;
  seen: string;
}

async function checkBridge({ run, plan, progress, attached }: ChecksInput): Promise<Finding> {
  const links = await listLinks(run, progress.signal);
  const bridge = links.find(({ ifname }) => ifname === plan.bridge);
  const cidr = `${plan.gateway}/${plan.prefixLength}`;
  const seen = `${plan.bridge} is up with ${cidr} and ${attached.length} VMs`;
  if (bridge === undefined) return { seen, fault: `there is no bridge ${plan.bridge}` };
  if (bridge.flags?.includes('UP') !== true) return { seen, fault: `${plan.bridge} is down` };
  const addresses = (bridge.addr_info ?? []).map(
    ({ local, prefixlen }) => `${local ?? ''}/${prefixlen ?? ''}`,
  );
  if (!addresses.includes(cidr))
    return { seen, fault: `${plan.bridge} has ${addresses.join(', ') || 'no address'} instead of ${cidr}` };
  const missing = attached.filter(
    ({ tap }) => !links.some(({ ifname, master }) => ifname === tap && master === plan.bridge),
  );
  if (missing.length > 0)
    return {
      seen,
      fault: `not on the bridge: ${missing.map(({ tap, hostname }) => `${tap} of ${hostname}`).join(', ')}`,
    };
  return { seen };
}

async function checkDnsmasq({ ask, plan, dnsmasqFault }: ChecksInput): Promise<Finding> {
  const seen = `dnsmasq answers at ${plan.gateway}`;
  if (dnsmasqFault !== null) return { seen, fault: dnsmasqFault };
  const answer = await ask(plan.gateway, PROBE_NAME, ANSWER_TIMEOUT_MS);
  if (answer[0] !== plan.gateway)
    return { seen, fault: `dnsmasq answered ${answer.join(', ') || 'nothing'}` };
  return { seen };
}

async function checkFirewall({ run, progress, attached, expected }: ChecksInput): Promise<Finding> {
  const seen = `the rules are as they were set, with ${attached.length} interfaces pinned`;
  if (expected === null) return { seen, fault: 'the firewall was not set' };
  for (const family of ['bridge', 'inet'] as const) {
    const listing = await listTable(run, family, TABLE, progress.signal);
    if (listing === null) return { seen, fault: `the table ${TABLE} of family ${family} is gone` };
    if (listing.rules !== expected[family])
      return { seen, fault: `the rules of family ${family} were changed by something else` };
    if (family === 'inet') continue;
    const pins = attached.map(({ tap, mac, ip }: Pin) => `${tap} ${mac} ${ip}`).sort();
    const found = listing.elements['pinned'] ?? [];
    if (pins.join('\n') !== found.join('\n'))
      return {
        seen,
        fault: `pinned are ${found.join(', ') || 'none'} instead of ${pins.join(', ') || 'none'}`,
      };
  }
  return { seen };
}
