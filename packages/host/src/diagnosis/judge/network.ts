import type { Address } from '@hearth/contract';
import type { NetworkSight } from '../../network/observe-network.ts';
import { errorOf, holdsThings, valueOf, type Evidence } from '../evidence.ts';
import { broken, notHad, ok, skipped, type Judge, type Judgement } from './judgement.ts';

type NetworkCheck = 'tap' | 'bridge' | 'mac' | 'dnsmasq' | 'lease' | 'neighbour' | 'firewall';

/** Judges what the machine shows; unknown where it could not be looked at. */
const fromSight =
  <Check extends NetworkCheck>(
    judge: (sight: NetworkSight, evidence: Evidence) => Judgement<Check>,
  ): Judge<Check> =>
  (evidence) => {
    const sight = valueOf(evidence.network);
    return sight === undefined ? notHad(errorOf(evidence.network), 'Not looked at') : judge(sight, evidence);
  };

/** The same for what only a VM with an address has. */
const fromAddress = <Check extends NetworkCheck>(
  judge: (sight: NetworkSight, address: Address, evidence: Evidence) => Judgement<Check>,
): Judge<Check> =>
  fromSight((sight, evidence) => {
    const { address } = evidence.record;
    return address === null || !holdsThings(evidence)
      ? skipped('It has no address now')
      : judge(sight, address, evidence);
  });

const linkText = ({ name, up, carrier, master, addresses }: NetworkSight['links'][number]): string =>
  `${name}: ${[up ? 'UP' : 'DOWN', ...(carrier ? ['LOWER_UP'] : [])].join(',')}${master === null ? '' : ` master ${master}`}${addresses.length === 0 ? '' : ` ${addresses.join(' ')}`}`;

export const judgeTap: Judge<'tap'> = fromAddress(({ links }, { tap }, { plan }) => {
  const link = links.find(({ name }) => name === tap);
  if (link === undefined) return broken('tap_missing', `There is no ${tap}`);
  const seen = [linkText(link)];
  if (!link.up) return broken('tap_down', `${tap} is down`, seen);
  if (link.master !== plan.bridge)
    return broken('tap_off_bridge', `${tap} belongs to ${link.master ?? 'no bridge'}`, seen);
  return ok(`${tap} is up and on ${plan.bridge}`, seen);
});

export const judgeBridge: Judge<'bridge'> = fromSight(({ links }, { plan }) => {
  const { bridge, gateway, prefixLength } = plan;
  const link = links.find(({ name }) => name === bridge);
  if (link === undefined) return broken('bridge_missing', `There is no ${bridge}`);
  const seen = [linkText(link)];
  if (!link.up) return broken('bridge_down', `${bridge} is down`, seen);
  if (!link.addresses.includes(`${gateway}/${prefixLength}`))
    return broken('bridge_address_gone', `${bridge} lacks ${gateway}/${prefixLength}`, seen);
  return ok(`${bridge} is up with its address`, seen);
});

export const judgeMac: Judge<'mac'> = fromAddress(({ fdb }, { mac, tap }) => {
  const entries = fdb.filter((entry) => entry.mac === mac);
  const seen = entries.map((entry) => `${entry.mac} dev ${entry.interface}`);
  return entries.some((entry) => entry.interface === tap)
    ? ok(`The bridge knows ${mac} at ${tap}`, seen)
    : broken('mac_unknown', `${mac} is not known at ${tap}`, seen);
});

export const judgeDnsmasq: Judge<'dnsmasq'> = fromSight(({ dnsmasqFault, reservations }, evidence) => {
  if (dnsmasqFault !== null) return broken('dnsmasq_dead', dnsmasqFault, [dnsmasqFault]);
  const { address } = evidence.record;
  if (address === null || !holdsThings(evidence)) return ok('It runs');
  const { mac, ip } = address;
  const found = reservations.filter((one) => one.mac === mac || one.ip === ip);
  const seen = found.map((one) => `${one.mac} ${one.ip}`);
  return found.length === 1 && found[0]?.mac === mac && found[0].ip === ip
    ? ok('It runs and reserves the address', seen)
    : broken('reservation_missing', `${ip} is not reserved for ${mac} alone`, seen);
});

export const judgeLease: Judge<'lease'> = fromAddress(({ leases }, { mac, ip }) => {
  const own = leases.filter((lease) => lease.mac === mac);
  const seen = leases
    .filter((lease) => lease.mac === mac || lease.ip === ip)
    .map((lease) => `lease ${lease.mac} ${lease.ip}`);
  const elsewhere = own.find((lease) => lease.ip !== ip);
  if (elsewhere !== undefined)
    return broken('lease_elsewhere', `It is for ${elsewhere.ip}, booked is ${ip}`, seen);
  return own.length === 0
    ? broken('lease_missing', `${mac} has none`, seen)
    : ok(`${mac} has the lease of ${ip}`, seen);
});

/** Of an entry that led nowhere. */
const NO_ANSWER = /FAILED|INCOMPLETE/;

export const judgeNeighbour: Judge<'neighbour'> = fromAddress(({ neighbours }, { ip, mac }) => {
  const entries = neighbours.filter((entry) => entry.ip === ip);
  const seen = entries.map((entry) => `${ip} ${entry.mac ?? 'no MAC'} ${entry.state}`);
  const wrong = entries.find(
    (entry) => entry.mac !== null && entry.mac !== mac && !NO_ANSWER.test(entry.state),
  );
  if (wrong !== undefined)
    return broken('neighbour_wrong_mac', `${ip} is at ${wrong.mac ?? ''}, booked is ${mac}`, seen);
  if (entries.length === 0) return ok(`The host asked for ${ip} not lately`);
  return entries.some((entry) => NO_ANSWER.test(entry.state))
    ? ok(`Nobody answered the host's question for ${ip}`, seen)
    : ok(`${ip} is at ${mac}`, seen);
});

export const judgeFirewall: Judge<'firewall'> = fromSight((sight, evidence) => {
  const { rulesFault, pins, foreignDrops, forwarding } = sight;
  if (rulesFault !== null) return broken('firewall_changed', rulesFault, [rulesFault]);
  const { address } = evidence.record;
  if (address !== null && holdsThings(evidence)) {
    const pin = `${address.tap} ${address.mac} ${address.ip}`;
    if (!pins.includes(pin))
      return broken(
        'pin_missing',
        `${pin} is not pinned`,
        pins.filter((one) => one.startsWith(`${address.tap} `)),
      );
  }
  if (foreignDrops.length > 0)
    return broken('foreign_firewall', foreignDrops[0] ?? '', foreignDrops.slice(0, 5));
  if (!forwarding) return broken('forwarding_off', 'net.ipv4.ip_forward is 0', ['net.ipv4.ip_forward = 0']);
  return ok('The rules are as they were set, and no other tool drops', [
    `${pins.length} interfaces pinned`,
    'net.ipv4.ip_forward = 1',
  ]);
});
