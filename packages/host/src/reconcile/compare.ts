import type { Drift, VmId } from '@hearth/contract';
import { pinText } from '../network/firewall.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { Remedy } from '../network/remedy.ts';
import type { Expectation, ExpectedVm } from './expectation.ts';

/** What the machine shows. */
export interface Sight {
  network: NetworkSight;
  /** Of the processes that ought to run. */
  processes: ReadonlyMap<VmId, 'runs' | 'stopped' | 'gone'>;
  /** Of the files that ought to be there. */
  missingFiles: ReadonlySet<string>;
}

/** A disagreement, and what mends it: null where only a person, or a restart of the VM, can. */
export interface Finding extends Omit<Drift, 'outcome'> {
  remedy: Remedy | null;
}

/** What makes two findings the same thing seen twice. */
export const findingKey = ({
  subject,
  name,
  expected,
}: Pick<Finding, 'subject' | 'name' | 'expected'>): string => `${subject} ${name}: ${expected}`;

/** What isn't as book and journal say. Pure; what comes or goes at this moment is no disagreement. */
export function compare(expected: Expectation, seen: Sight): Finding[] {
  const bridge = compareBridge(expected, seen.network);
  return [
    ...bridge,
    ...compareFirewall(expected, seen.network),
    // It answers at the bridge: without that nothing can be said of it.
    ...compareDnsmasq(expected, seen.network).filter(
      ({ subject }) => subject !== 'dnsmasq' || bridge.every(({ subject: one }) => one !== 'bridge'),
    ),
    ...expected.vms.flatMap((vm) => [...compareProcess(vm, seen), ...compareFiles(vm, seen)]),
    ...compareVmNetworks(expected, seen),
  ];
}

function compareBridge({ plan }: Expectation, { links, forwarding }: NetworkSight): Finding[] {
  const { bridge, gateway, prefixLength } = plan;
  const cidr = `${gateway}/${prefixLength}`;
  const found = links.find(({ name }) => name === bridge);
  const drift = (what: string, instead: string, type: 'bridge' | 'bridge-anew'): Finding => ({
    ...{ subject: 'bridge', name: bridge, vmId: null, expected: what, found: instead },
    detail: 'the bridge is set up as it was',
    remedy: { type },
  });
  const addresses = (found?.addresses ?? []).filter((address) => !address.includes(':'));
  return [
    ...(found === undefined ? [drift(`a bridge, up, with ${cidr}`, 'no such interface', 'bridge-anew')] : []),
    ...(found?.up === false ? [drift('up', 'down', 'bridge')] : []),
    ...(found !== undefined && addresses.join() !== cidr
      ? [drift(cidr, addresses.join(', ') || 'no address', 'bridge')]
      : []),
    ...(forwarding
      ? []
      : [
          {
            ...{ subject: 'forwarding' as const, name: 'net.ipv4.ip_forward', vmId: null },
            ...{ expected: '1', found: '0', detail: 'forwarding is switched on' },
            remedy: { type: 'forwarding' as const },
          },
        ]),
  ];
}

function compareFirewall({ vms }: Expectation, { rulesFault, foreignDrops, pins }: NetworkSight): Finding[] {
  const remedy = { type: 'rules' as const };
  const foreign = foreignDrops.map((drop): Finding => ({
    ...{ subject: 'firewall', name: drop.split(' drops ')[0] ?? drop, vmId: null },
    ...{ expected: 'no other tool’s chain drops what VMs send or get', found: drop },
    detail: 'It is not Hearth’s: take that chain away, or let it accept what comes from and goes to the VMs.',
    remedy: null,
  }));
  // The rules are set with all pins: of these more can be said once those are back.
  if (rulesFault !== null)
    return [
      ...foreign,
      {
        ...{ subject: 'firewall', name: 'hearth', vmId: null, expected: 'the rules as they were set' },
        ...{ found: rulesFault, detail: 'the rules are set anew, with all pins', remedy },
      },
    ];
  const found = new Set(pins);
  const booked = new Map(
    vms.flatMap(({ id, address }) => (address === null ? [] : [[pinText(address), id]])),
  );
  const missing = vms.flatMap(({ id, address, running }): Finding[] =>
    address === null || running === null || found.has(pinText(address))
      ? []
      : [
          {
            ...{ subject: 'pin', name: pinText(address), vmId: id, expected: 'pinned', found: 'not pinned' },
            ...{ detail: 'the rules are set anew, with all pins', remedy },
          },
        ],
  );
  const tooMany = pins.flatMap((pin): Finding[] =>
    booked.has(pin)
      ? []
      : [
          {
            ...{ subject: 'pin', name: pin, vmId: null, expected: 'no pin', found: 'pinned' },
            ...{ detail: 'the rules are set anew, with the pins of the book', remedy },
          },
        ],
  );
  return [...foreign, ...missing, ...tooMany];
}

function compareDnsmasq({ vms }: Expectation, seen: NetworkSight): Finding[] {
  const byMac = new Map(vms.flatMap((vm) => (vm.address === null ? [] : [[vm.address.mac, vm]])));
  const reserved = new Map(seen.reservations.map(({ mac, ip }) => [mac, ip]));
  const reservation = (name: string, vmId: VmId | null, expected: string, found: string): Finding => ({
    ...{ subject: 'reservation', name, vmId, expected, found },
    ...{ detail: 'dnsmasq gets the reservations of the book', remedy: { type: 'reservations' } },
  });
  return [
    ...(seen.dnsmasqFault === null
      ? []
      : [
          {
            ...{ subject: 'dnsmasq' as const, name: 'dnsmasq', vmId: null },
            ...{ expected: 'it runs and answers', found: seen.dnsmasqFault },
            ...{ detail: 'it is started again', remedy: { type: 'dnsmasq' as const } },
          },
        ]),
    ...vms.flatMap(({ id, address, running }) =>
      address === null || running === null || reserved.get(address.mac) === address.ip
        ? []
        : [reservation(address.mac, id, address.ip, reserved.get(address.mac) ?? 'none')],
    ),
    ...seen.reservations.flatMap(({ mac, ip }) => {
      const vm = byMac.get(mac);
      if (vm?.address?.ip === ip || (vm !== undefined && vm.running !== null)) return [];
      return [reservation(mac, vm?.id ?? null, vm?.address?.ip ?? 'none', ip)];
    }),
    ...seen.leases.flatMap(({ mac, ip }): Finding[] => {
      const vm = byMac.get(mac);
      if (vm?.address?.ip === ip) return [];
      return [
        {
          ...{ subject: 'lease', name: `${ip} ${mac}`, vmId: vm?.id ?? null },
          ...{ expected: vm?.address?.ip ?? 'no lease', found: ip },
          ...{ detail: 'it is released', remedy: { type: 'lease', lease: { mac, ip } } },
        },
      ];
    }),
  ];
}

function compareVmNetworks({ plan, vms }: Expectation, { network, processes }: Sight): Finding[] {
  const links = new Map(network.links.map((link) => [link.name, link]));
  const stations = new Map(network.fdb.map(({ mac, interface: port }) => [`${mac} ${port}`, port]));
  const portOf = new Map(network.fdb.map(({ mac, interface: port }) => [mac, port]));
  const neighbours = new Map(network.neighbours.map((one) => [one.ip, one]));
  return vms.flatMap(({ id, address, running }): Finding[] => {
    if (address === null || running === null) return [];
    const { ip, mac, tap } = address;
    const base = {
      vmId: id,
      remedy: { type: 'port' as const, ip },
      detail: 'it is joined to the bridge again',
    };
    const wanted = `up, a port of ${plan.bridge}`;
    const link = links.get(tap);
    const neighbour = neighbours.get(ip);
    const stale = neighbour?.mac !== undefined && neighbour.mac !== null && neighbour.mac !== mac;
    return [
      ...(link === undefined
        ? [{ ...base, subject: 'tap' as const, name: tap, expected: wanted, found: 'no such interface' }]
        : []),
      ...(link !== undefined && (!link.up || link.master !== plan.bridge)
        ? [
            {
              ...{ ...base, subject: 'tap' as const, name: tap, expected: wanted },
              found: [
                link.up ? 'up' : 'down',
                link.master === null ? 'a port of no bridge' : `a port of ${link.master}`,
              ].join(', '),
            },
          ]
        : []),
      ...(running.state === 'ready' && link?.up === true && !link.carrier && processes.get(id) === 'runs'
        ? [
            {
              ...{ vmId: id, subject: 'tap' as const, name: tap, expected: 'held by the VMM' },
              ...{ found: 'nobody holds it: the one that the VMM had was removed', remedy: null },
              detail: `Only a new VMM takes it: \`hearth vm restart ${id}\`, or create another.`,
            },
          ]
        : []),
      ...(link !== undefined && !stations.has(`${mac} ${tap}`)
        ? [
            {
              ...{ ...base, subject: 'fdb' as const, name: mac },
              ...{ expected: tap, found: portOf.get(mac) ?? 'no entry' },
            },
          ]
        : []),
      ...(stale && !/FAILED|INCOMPLETE/.test(neighbour.state)
        ? [
            {
              ...{ vmId: id, subject: 'neighbour' as const, name: ip, expected: mac },
              ...{ found: `${neighbour.mac} (${neighbour.state})`, detail: 'the entry is flushed' },
              remedy: { type: 'neighbour' as const, ip },
            },
          ]
        : []),
    ];
  });
}

function compareProcess({ id, running }: ExpectedVm, { processes }: Sight): Finding[] {
  const found = processes.get(id);
  if (running === null || found === undefined || found === 'runs') return [];
  const { pid } = running.process;
  return [
    {
      ...{ subject: 'process', name: String(pid), vmId: id, expected: 'its VMM runs' },
      found: found === 'gone' ? 'no such process' : 'it is stopped by a signal',
      detail:
        found === 'gone'
          ? `\`hearth why ${id}\` tells what became of it.`
          : `Let it go on with \`kill -CONT ${pid}\`, or \`hearth vm restart ${id}\`.`,
      remedy: null,
    },
  ];
}

function compareFiles({ id, files }: ExpectedVm, { missingFiles }: Sight): Finding[] {
  return files.flatMap(({ path, subject }): Finding[] =>
    missingFiles.has(path)
      ? [
          {
            ...{ subject, name: path, vmId: id, expected: 'a file', found: 'nothing', remedy: null },
            detail:
              subject === 'disk'
                ? 'Something removed it. While the VMM runs it holds what was there: copy what you need out of the VM, and create another.'
                : `Something removed it: what the guest says is lost until \`hearth vm restart ${id}\`.`,
          },
        ]
      : [],
  );
}
