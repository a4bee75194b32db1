import { VNC_PORT, type Address } from '@hearth/contract';
import { withoutNested, type AllowedTarget, type NetworkPlan } from './addressing.ts';
import {
  accept,
  byConnectionState,
  concat,
  echoRequest,
  from,
  fromPort,
  iif,
  masquerade,
  match,
  meta,
  oif,
  payload,
  prefix,
  reject,
  set,
  TableBuilder,
  to,
  toPort,
  type Command,
  type Json,
} from './firewall-expressions.ts';

/** Table in both families inside the namespace. */
export const TABLE = 'hearth';

/** The interface by which a VM is joined to the bridge, with the only MAC and IP it may use. */
export type Pin = Pick<Address, 'tap' | 'mac' | 'ip'>;

/** What no VM may reach, unless `network.allow` names it: private, shared, loopback, link-local, multicast, reserved. */
const PRIVATE_NETWORKS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

const ETHERNET = match(payload('arp', 'htype'), 1);
const source = concat(meta('iifname'), payload('ether', 'saddr'));
const isIp = match(payload('ether', 'type'), 'ip');
const isArp = match(payload('ether', 'type'), 'arp');

/** Before the bridge decides anything (NF_BR_PRI_NAT_DST_BRIDGED). */
const BRIDGE_INGRESS_PRIORITY = -300;
const NAT_SOURCE_PRIORITY = 100;
const MANGLE_PRIORITY = -150;

/**
 * Bridge family: what comes in from a TAP must carry the MAC and IP booked for it, in Ethernet, IP and ARP.
 * IPv6, VLAN tags and all else are dropped. Nothing goes from TAP to TAP (the ports are isolated besides).
 */
export function bridgeTable(pins: readonly Pin[]): Command[] {
  return new TableBuilder('bridge', TABLE)
    .set('pinned', ['ifname', 'ether_addr', 'ipv4_addr'], pins.map(pinElement))
    .set('stations', ['ifname', 'ether_addr'], pins.map(stationElement))
    .chain('ingress', 'prerouting', BRIDGE_INGRESS_PRIORITY, 'drop', [
      [
        isIp,
        match(concat(meta('iifname'), payload('ether', 'saddr'), payload('ip', 'saddr')), '@pinned'),
        accept,
      ],
      // DHCP of a guest that has no address yet.
      [
        isIp,
        from('0.0.0.0'),
        to('255.255.255.255'),
        fromPort('udp', 68),
        toPort('udp', 67),
        match(source, '@stations'),
        accept,
      ],
      // The sender in ARP's own fields is pinned like the one of the frame.
      [
        isArp,
        ETHERNET,
        match(source, '@stations'),
        match(concat(meta('iifname'), payload('arp', 'saddr ether'), payload('arp', 'saddr ip')), '@pinned'),
        accept,
      ],
      // A guest's probe whether its own address is free (RFC 5227) has no sender's address.
      [
        isArp,
        ETHERNET,
        match(payload('arp', 'operation'), 'request'),
        match(payload('arp', 'saddr ip'), '0.0.0.0'),
        match(source, '@stations'),
        match(concat(meta('iifname'), payload('arp', 'saddr ether'), payload('arp', 'daddr ip')), '@pinned'),
        accept,
      ],
    ])
    .chain('forward', 'forward', 0, 'drop', [])
    .build();
}

interface NamespaceFirewall {
  plan: NetworkPlan;
  uplink: 'nat' | 'host' | 'none';
  /** `network.allow` */
  allowed: readonly AllowedTarget[];
}

/** inet family inside the namespace: what VMs may reach beyond the bridge, and who may reach them. */
export function namespaceTable({ plan, uplink, allowed }: NamespaceFirewall): Command[] {
  const fromVms = iif(plan.bridge);
  const toGateway = to(plan.gateway);
  const toOutside = [fromVms, oif(plan.uplinkNamespace)];
  // An allowed address that is the bridge's own is a service inside the namespace.
  const here = allowed.filter(({ ip }) => ip === plan.gateway);
  const elsewhere = allowed.filter(({ ip }) => ip !== plan.gateway);
  const hidden = [...PRIVATE_NETWORKS, plan.subnet, plan.transitSubnet];
  return new TableBuilder('inet', TABLE)
    .set('hidden', 'ipv4_addr', withoutNested(hidden).map(prefix), ['interval'])
    .set('allowed', ['ipv4_addr', 'inet_service'], elsewhere.map(targetElement))
    .chain('input', 'input', 0, 'drop', [
      [iif('lo'), accept],
      [byConnectionState],
      [fromVms, to(set('255.255.255.255', plan.gateway)), fromPort('udp', 68), toPort('udp', 67), accept],
      [fromVms, toGateway, toPort('udp', 53), accept],
      [fromVms, toGateway, toPort('tcp', 53), accept],
      [fromVms, toGateway, echoRequest, accept],
      ...here.map(({ port }) => [fromVms, toGateway, toPort('tcp', port), accept]),
      [fromVms, reject],
      [iif(plan.uplinkNamespace), from(plan.transitHost), echoRequest, accept],
    ])
    .chain('forward', 'forward', 0, 'drop', [
      [byConnectionState],
      ...(uplink === 'none'
        ? []
        : [
            // A desktop is the host daemon's alone to dial, from in here: its VNC server asks for no more than eight characters.
            [iif(plan.uplinkNamespace), oif(plan.bridge), toPort('tcp', VNC_PORT), reject],
            // The operator's own curl: the host, not what is behind it.
            [iif(plan.uplinkNamespace), oif(plan.bridge), from(plan.transitHost), accept],
            [
              ...toOutside,
              match(concat(payload('ip', 'daddr'), payload('tcp', 'dport')), '@allowed'),
              accept,
            ],
          ]),
      ...(uplink === 'nat'
        ? [
            [...toOutside, to('@hidden'), reject],
            [...toOutside, accept],
          ]
        : []),
      [fromVms, reject],
    ])
    .chain('segment', 'forward', MANGLE_PRIORITY, 'accept', [
      // Where messages about too large packets get lost on the way, connections hang; so announce what fits.
      [
        match(payload('tcp', 'flags'), 'syn', 'in'),
        {
          mangle: { key: { 'tcp option': { name: 'maxseg', field: 'size' } }, value: { rt: { key: 'mtu' } } },
        },
      ],
    ])
    .chain(
      'postrouting',
      'postrouting',
      NAT_SOURCE_PRIORITY,
      'accept',
      // The host sees the namespace's address only.
      uplink === 'none' ? [] : [[oif(plan.uplinkNamespace), from(prefix(plan.subnet)), masquerade]],
      'nat',
    )
    .build();
}

/**
 * In the host's namespace: addresses of the host itself are closed to VMs, also public ones that the namespace can't know.
 * @param dnsServers those that dnsmasq asks: one of them may be the host
 */
export function hostTable(
  { plan, uplink, allowed }: NamespaceFirewall,
  dnsServers: readonly string[],
): Command[] {
  const fromVms = iif(plan.uplinkHost);
  const builder = new TableBuilder('ip', plan.hostTable)
    .chain('input', 'input', 0, 'accept', [
      [fromVms, byConnectionState],
      [fromVms, echoRequest, to(plan.transitHost), accept],
      ...dnsServers.flatMap((server) =>
        (['udp', 'tcp'] as const).map((protocol) => [fromVms, to(server), toPort(protocol, 53), accept]),
      ),
      ...allowed.map(({ ip, port }) => [fromVms, to(ip), toPort('tcp', port), accept]),
      [fromVms, reject],
    ])
    .chain(
      'forward',
      'forward',
      0,
      'accept',
      uplink === 'nat'
        ? []
        : [
            [fromVms, byConnectionState],
            [fromVms, reject],
          ],
    );
  if (uplink === 'nat') {
    builder.chain(
      'postrouting',
      'postrouting',
      NAT_SOURCE_PRIORITY,
      'accept',
      [[from(plan.transitNamespace), match(meta('oifname'), plan.uplinkHost, '!='), masquerade]],
      'nat',
    );
  }
  return builder.build();
}

/** Pins one more interface; harmless where it is pinned. */
export const pinCommands = (pin: Pin): Command[] => elementCommands('add', pin);

/** Takes a pin away. The `add` before makes it harmless where there is none. */
export const unpinCommands = (pin: Pin): Command[] => [
  ...elementCommands('add', pin),
  ...elementCommands('delete', pin),
];

const elementCommands = (verb: 'add' | 'delete', pin: Pin): Command[] =>
  (
    [
      ['pinned', pinElement(pin)],
      ['stations', stationElement(pin)],
    ] as const
  ).map(([name, element]) => ({
    [verb]: { element: { family: 'bridge', table: TABLE, name, elem: [element] } },
  }));

/** A pin as the kernel's list of them is read. */
export const pinText = ({ tap, mac, ip }: Pin): string => `${tap} ${mac} ${ip}`;

const pinElement = ({ tap, mac, ip }: Pin): Json => concat(tap, mac, ip);
const stationElement = ({ tap, mac }: Pin): Json => concat(tap, mac);
const targetElement = ({ ip, port }: AllowedTarget): Json => concat(ip, port);
