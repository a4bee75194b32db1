import { z } from 'zod';
import type { Fault } from './fault.ts';
import type { FaultRoom } from './fault-room.ts';

/** Rules, neighbours and settings of the host side. */

const MARK = 'hearth-fault';
const FOREIGN_TABLE = 'hearth_fault_foreign';
const WRONG_MAC = '02:00:00:00:00:01';

const rulesSchema = z.object({
  nftables: z.array(
    z.object({ rule: z.object({ handle: z.number(), comment: z.string().optional() }).optional() }),
  ),
});

async function markedRules(room: FaultRoom): Promise<number[]> {
  const listed = await room.net('nft', '-j', '-a', 'list', 'chain', 'inet', 'hearth', 'forward');
  return rulesSchema
    .parse(JSON.parse(listed))
    .nftables.flatMap(({ rule }) => (rule?.comment === MARK ? [rule.handle] : []));
}

async function pin(room: FaultRoom, verb: 'add' | 'delete'): Promise<void> {
  const { tap, mac, ip } = room.vm;
  const element = (set: string, value: string): Promise<string> =>
    room.net('nft', verb, 'element', 'bridge', 'hearth', set, `{ ${value} }`);
  await element('pinned', `${tap} . ${mac} . ${ip}`);
  await element('stations', `${tap} . ${mac}`);
}

export const firewallFaults: readonly Fault[] = [
  {
    name: 'firewall_changed',
    title: 'a rule is put into Hearth’s own table',
    kind: 'cli',
    expects: 'firewall_changed',
    inject: (room) =>
      room.net(
        ...(['nft', 'insert', 'rule', 'inet', 'hearth', 'forward'] as const),
        ...['counter', 'drop', 'comment', `"${MARK}"`],
      ),
    awaits: async (room) => ((await markedRules(room)).length > 0 ? null : 'the rule is not there'),
    undo: async (room) => {
      for (const handle of await markedRules(room))
        await room.net('nft', 'delete', 'rule', 'inet', 'hearth', 'forward', 'handle', String(handle));
    },
    spoils: false,
  },
  {
    name: 'foreign_firewall',
    title: 'another tool’s forward chain drops by policy',
    kind: 'cli',
    expects: 'foreign_firewall',
    inject: (room) =>
      room.net(
        'nft',
        `add table inet ${FOREIGN_TABLE}; add chain inet ${FOREIGN_TABLE} FORWARD { type filter hook forward priority 0; policy drop; }`,
      ),
    awaits: async (room) =>
      (await room.net('nft', 'list', 'tables')).includes(FOREIGN_TABLE) ? null : 'the table is not there',
    undo: (room) => room.net('nft', `add table inet ${FOREIGN_TABLE}; delete table inet ${FOREIGN_TABLE}`),
    spoils: false,
  },
  {
    name: 'pin_missing',
    title: 'MAC and address are no longer pinned to the TAP',
    kind: 'cli',
    expects: 'pin_missing',
    inject: (room) => pin(room, 'delete'),
    awaits: async (room) =>
      (await room.net('nft', 'list', 'set', 'bridge', 'hearth', 'pinned')).includes(room.vm.tap)
        ? 'it is pinned'
        : null,
    undo: (room) => pin(room, 'add'),
    spoils: false,
  },
  {
    name: 'forwarding_off',
    title: 'IP forwarding is switched off',
    kind: 'cli',
    expects: 'forwarding_off',
    inject: (room) => room.net('sysctl', '-qw', 'net.ipv4.ip_forward=0'),
    awaits: async (room) =>
      (await room.net('sysctl', '-n', 'net.ipv4.ip_forward')).trim() === '0' ? null : 'it is on',
    undo: (room) => room.net('sysctl', '-qw', 'net.ipv4.ip_forward=1'),
    spoils: false,
  },
  {
    name: 'neighbour_wrong_mac',
    title: 'the neighbour table has another MAC for the address',
    kind: 'cli',
    expects: 'neighbour_wrong_mac',
    inject: (room) =>
      room.net(
        ...(['ip', 'neigh', 'replace', room.vm.ip, 'lladdr', WRONG_MAC] as const),
        ...['dev', room.bridge, 'nud', 'permanent'],
      ),
    awaits: async (room) =>
      (await room.net('ip', 'neigh', 'show', room.vm.ip)).includes(WRONG_MAC)
        ? null
        : 'the entry is not there',
    undo: (room) => room.net('ip', 'neigh', 'del', room.vm.ip, 'dev', room.bridge),
    spoils: false,
  },
];
