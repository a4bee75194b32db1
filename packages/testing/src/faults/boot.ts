import { consoleThat, vmGivenUp } from './awaits.ts';
import type { Fault } from './fault.ts';
import type { FaultRoom } from './fault-room.ts';
import { inTurn } from './guest-lines.ts';
import { restartVm } from './lab-vm.ts';

/** What goes wrong while a VM boots: it is planted in the disk of one that is well, which then boots anew. */

const NETWORK_FILE = '/etc/systemd/network/05-hearth-fault.network';
/** Where ext4 keeps its label: 1024 bytes of nothing, then offset 0x78 of the superblock. */
const LABEL_OFFSET = 1024 + 0x78;

const bootAnew = ({ lab, vm, signal }: FaultRoom): Promise<void> => restartVm(lab, vm.id, signal);

export const bootFaults: readonly Fault[] = [
  {
    name: 'agent_masked_at_boot',
    title: 'a VM boots whose agent’s unit is masked',
    kind: 'cli',
    expects: 'agent_masked',
    inject: async (room) => {
      await room.guest('ln -sf /dev/null /etc/systemd/system/hearth-agent.service && sync');
      await bootAnew(room);
    },
    awaits: consoleThat(/hearth-unit: hearth-agent\.service .*LoadState=masked/),
    undo: null,
    spoils: true,
  },
  {
    name: 'initramfs_failed',
    title: 'a VM boots whose private disk has lost its label',
    kind: 'cli',
    expects: 'initramfs_failed',
    inject: async (room) => {
      const write = `dd of=$(findfs LABEL=hearth-upper) bs=1 seek=${LABEL_OFFSET} conv=notrunc,fsync status=none`;
      await room.guest(inTurn('set -e', `printf nobody-knows | ${write}`, 'sync'));
      await bootAnew(room);
    },
    awaits: vmGivenUp,
    undo: null,
    spoils: true,
  },
  {
    name: 'kernel_ip',
    title: 'a VM boots whose kernel’s `ip=` fights DHCP',
    kind: 'cli',
    expects: 'kernel_ip_argument',
    inject: async (room) => {
      const address = room.gateway.replace(/\d+$/, '252');
      // Our kernel has no code for `ip=`: what that would have set is planted beside it.
      const network = String.raw`[Match]\nName=eth0\n[Network]\nAddress=${address}/24\nGateway=${room.gateway}\n`;
      await room.guest(`printf '${network}' > ${NETWORK_FILE} && sync`);
      const argument = `ip=${address}::${room.gateway}:255.255.255.0::eth0:off`;
      await room.reconfigure({ kernelArguments: [argument], snapshots: { golden: false } });
      await bootAnew(room);
    },
    awaits: vmGivenUp,
    undo: (room) => room.reconfigure(null),
    spoils: true,
  },
];
