import { agentThat, vmGivenUp } from './awaits.ts';
import type { Fault } from './fault.ts';
import { inTurn } from './guest-lines.ts';

/** The guest's own network. What cuts it off can't be undone from outside. */

const CARD = 'eth0';
const OTHER_MAC = '02:48:c0:ff:ee:01';

export const guestNetworkFaults: readonly Fault[] = [
  {
    name: 'guest_no_route',
    title: 'the guest’s default route is removed',
    kind: 'cli',
    expects: 'guest_no_route',
    inject: (room) => room.guest('ip route del default'),
    awaits: async (room) => {
      const routes = await room.guest('ip route show default');
      return routes === '' ? null : routes;
    },
    undo: (room) =>
      room.guest(
        `ip route replace default via ${room.gateway} dev ${CARD} proto dhcp src ${room.vm.ip} metric 1024`,
      ),
    spoils: false,
  },
  {
    name: 'wrong_mac',
    title: 'the guest gives its card another MAC',
    kind: 'cli',
    expects: 'guest_wrong_mac',
    inject: (room) => room.leave(`ip link set dev ${CARD} address ${OTHER_MAC}`),
    awaits: agentThat('silent'),
    undo: null,
    spoils: true,
  },
  {
    name: 'guest_interface_down',
    title: 'the guest’s card is taken down',
    kind: 'cli',
    expects: 'guest_interface_down',
    inject: (room) => room.leave(`ip link set dev ${CARD} down`),
    awaits: agentThat('silent'),
    undo: null,
    spoils: true,
  },
  {
    name: 'guest_interface_missing',
    title: 'the guest’s card is moved into another namespace',
    kind: 'cli',
    expects: 'guest_interface_missing',
    // QEMU 7.2 dies of a segmentation fault where the driver lets go of a card that came from a snapshot.
    inject: (room) => room.leave(inTurn('ip netns add elsewhere', `ip link set ${CARD} netns elsewhere`)),
    awaits: agentThat('silent'),
    undo: null,
    spoils: true,
  },
  {
    name: 'guest_no_address',
    title: 'the guest’s address is removed',
    kind: 'cli',
    expects: 'guest_no_address',
    inject: (room) => room.leave(`ip addr flush dev ${CARD}`),
    awaits: agentThat('silent'),
    undo: null,
    spoils: true,
  },
  {
    name: 'guest_wrong_address',
    title: 'the guest takes another address by itself',
    kind: 'cli',
    expects: 'guest_wrong_address',
    inject: (room) => {
      const address = `${room.gateway.replace(/\d+$/, '251')}/24`;
      return room.leave(`ip addr add ${address} dev ${CARD}; ip addr del ${room.vm.ip}/24 dev ${CARD}`);
    },
    // It tells the host so over the control channel, and a VM that is ready breaks its promise by it (F1).
    awaits: vmGivenUp,
    undo: null,
    spoils: true,
  },
];
