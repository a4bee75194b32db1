import { z } from 'zod';
import type { Fault } from './fault.ts';
import type { FaultRoom } from './fault-room.ts';

/** Interfaces of the host side: the VM's TAP and the bridge. */

const linkSchema = z.array(
  z.object({
    ifname: z.string(),
    flags: z.array(z.string()),
    master: z.string().optional(),
    addr_info: z.array(z.object({ local: z.string().optional() })).optional(),
  }),
);

async function link(room: FaultRoom, name: string): Promise<z.infer<typeof linkSchema>[number] | null> {
  const all = linkSchema.parse(JSON.parse(await room.net('ip', '-j', 'addr')));
  return all.find(({ ifname }) => ifname === name) ?? null;
}

const isUp = async (room: FaultRoom, name: string): Promise<string | null> =>
  (await link(room, name))?.flags.includes('UP') === true ? `${name} is up` : null;

/** As the host makes it a port: it talks to nobody but the bridge, and the bridge knows its MAC without learning. */
async function join(room: FaultRoom): Promise<void> {
  const { tap, mac } = room.vm;
  await room.net('ip', 'link', 'set', 'dev', tap, 'master', room.bridge, 'up');
  const port = ['isolated', 'on', 'learning', 'off', 'flood', 'off', 'mcast_flood', 'off'];
  await room.net('bridge', 'link', 'set', 'dev', tap, ...port);
  await room.net('bridge', 'fdb', 'replace', mac, 'dev', tap, 'master', 'static');
}

export const linkFaults: readonly Fault[] = [
  {
    name: 'tap_down',
    title: 'the TAP is taken down',
    kind: 'cli',
    expects: 'tap_down',
    inject: (room) => room.net('ip', 'link', 'set', 'dev', room.vm.tap, 'down'),
    awaits: (room) => isUp(room, room.vm.tap),
    undo: (room) => room.net('ip', 'link', 'set', 'dev', room.vm.tap, 'up'),
    spoils: false,
  },
  {
    name: 'tap_off_bridge',
    title: 'the TAP is taken off the bridge',
    kind: 'cli',
    expects: 'tap_off_bridge',
    inject: (room) => room.net('ip', 'link', 'set', 'dev', room.vm.tap, 'nomaster'),
    awaits: async (room) =>
      (await link(room, room.vm.tap))?.master === undefined ? null : 'it has a master',
    undo: join,
    spoils: false,
  },
  {
    name: 'mac_unknown',
    title: 'the bridge’s entry for the MAC is removed',
    kind: 'cli',
    expects: 'mac_unknown',
    inject: (room) => room.net('bridge', 'fdb', 'del', room.vm.mac, 'dev', room.vm.tap, 'master'),
    awaits: async (room) =>
      (await room.net('bridge', 'fdb', 'show', 'dev', room.vm.tap)).includes(room.vm.mac)
        ? 'the entry is there'
        : null,
    undo: join,
    spoils: false,
  },
  {
    name: 'bridge_down',
    title: 'the bridge is taken down',
    kind: 'cli',
    expects: 'bridge_down',
    inject: (room) => room.net('ip', 'link', 'set', 'dev', room.bridge, 'down'),
    awaits: (room) => isUp(room, room.bridge),
    undo: (room) => room.net('ip', 'link', 'set', 'dev', room.bridge, 'up'),
    spoils: false,
  },
  {
    name: 'bridge_address_gone',
    title: 'the bridge’s address is removed',
    kind: 'cli',
    expects: 'bridge_address_gone',
    inject: (room) => room.net('ip', 'addr', 'del', `${room.gateway}/24`, 'dev', room.bridge),
    awaits: async (room) =>
      (await link(room, room.bridge))?.addr_info?.some(({ local }) => local === room.gateway) === true
        ? 'it has its address'
        : null,
    undo: (room) => room.net('ip', 'addr', 'replace', `${room.gateway}/24`, 'dev', room.bridge),
    spoils: false,
  },
  {
    name: 'tap_missing',
    title: 'the TAP is removed',
    kind: 'cli',
    expects: 'tap_missing',
    inject: (room) => room.net('ip', 'link', 'del', 'dev', room.vm.tap),
    awaits: async (room) => ((await link(room, room.vm.tap)) === null ? null : 'it is there'),
    undo: null,
    spoils: true,
  },
];
