import type { Fault } from './fault.ts';

/** What can be wrong in a guest that is reached all the same. */

const FILLER = '/root/hearth-fault-filler';
const KEPT_MACHINE_ID = '/run/hearth-fault-machine-id';
const BROKEN_UNIT = 'hearth-fault';
const CONSOLE_DRIVER = '/sys/bus/virtio/drivers/virtio_console';
const KEPT_PORT = '/run/hearth-fault-port';
const CLOCK_OFF_SECONDS = 7200;

export const guestFaults: readonly Fault[] = [
  {
    name: 'duplicate_machine_id',
    title: 'the guest has the machine-id of another VM',
    kind: 'cli',
    expects: 'duplicate_machine_id',
    inject: async (room) => {
      const other = (await room.guest('cat /etc/machine-id', await room.other())).trim();
      await room.guest(`cp /etc/machine-id ${KEPT_MACHINE_ID} && echo ${other} > /etc/machine-id`);
    },
    awaits: async (room) =>
      (await room.guest(`cmp -s /etc/machine-id ${KEPT_MACHINE_ID} && echo same || echo other`)) === 'other\n'
        ? null
        : 'it has its own',
    undo: (room) => room.guest(`cat ${KEPT_MACHINE_ID} > /etc/machine-id`),
    spoils: false,
  },
  {
    name: 'guest_disk_full',
    title: 'the guest’s disk is full',
    kind: 'cli',
    expects: 'guest_disk_full',
    inject: (room) =>
      room.guest(
        // Less a little: where the last block is asked for, nothing is taken at all.
        `set -- $(stat -f -c '%f %S' /); fallocate -l $(( ($1 - 2048) * $2 )) ${FILLER} && head -c 16M /dev/zero >> ${FILLER}; true`,
      ),
    awaits: async (room) => {
      const free = Number(await room.guest(`stat -f -c %a /`));
      return free === 0 ? null : `${free} blocks are free`;
    },
    undo: (room) => room.guest(`rm -f ${FILLER}`),
    spoils: false,
  },
  {
    name: 'guest_clock_off',
    title: 'the guest’s clock is two hours ahead',
    kind: 'cli',
    expects: 'guest_clock_off',
    inject: (room) => room.guest(`date -s "@$(( $(date +%s) + ${CLOCK_OFF_SECONDS} ))"`),
    awaits: async (room) => {
      const aheadMs = Number(await room.guest('date +%s')) * 1000 - Date.now();
      return aheadMs > (CLOCK_OFF_SECONDS * 1000) / 2 ? null : `it is ${aheadMs} ms ahead`;
    },
    undo: (room) => room.guest(`date -s "@${(Date.now() / 1000).toFixed(3)}"`),
    spoils: false,
  },
  {
    name: 'guest_unit_failed',
    title: 'a service in the guest fails',
    kind: 'cli',
    expects: 'guest_unit_failed',
    inject: (room) => room.guest(`systemd-run --quiet --unit=${BROKEN_UNIT} false`),
    awaits: async (room) => {
      const state = await room.guest(`systemctl is-failed ${BROKEN_UNIT} || true`);
      return state === 'failed\n' ? null : `it is ${state}`;
    },
    undo: (room) => room.guest(`systemctl reset-failed ${BROKEN_UNIT}`),
    spoils: false,
  },
  {
    name: 'control_channel_closed',
    title: 'the guest’s driver lets go of the control channel',
    kind: 'cli',
    expects: 'control_channel_closed',
    inject: (room) =>
      room.guest(
        `basename "$(ls -d ${CONSOLE_DRIVER}/virtio*)" > ${KEPT_PORT} && cat ${KEPT_PORT} > ${CONSOLE_DRIVER}/unbind`,
      ),
    awaits: async (room) => {
      const bound = await room.guest(`ls -d ${CONSOLE_DRIVER}/virtio* 2>/dev/null || true`);
      return bound === '' ? null : bound;
    },
    undo: (room) => room.guest(`cat ${KEPT_PORT} > ${CONSOLE_DRIVER}/bind`),
    spoils: false,
  },
];
