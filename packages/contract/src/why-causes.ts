import type { Layer } from './layers.ts';

/**
 * The steps of a diagnosis, in the order in which a VM's way is walked: from what is written down of it, over what runs it and
 * what joins it to the network, to what answers in it.
 */
export const whyChecks = [
  'record',
  'process',
  'disk',
  'vmm',
  'console',
  'control_channel',
  'guest',
  'tap',
  'bridge',
  'mac',
  'dnsmasq',
  'lease',
  'neighbour',
  'firewall',
  'reachability',
  'agent',
  'token',
  'display',
  'browser',
] as const;
export type WhyCheckName = (typeof whyChecks)[number];

/** Where in the house each check looks. */
export const layerOfCheck: Readonly<Record<WhyCheckName, Layer>> = {
  record: 'controller',
  process: 'vmm',
  disk: 'disk',
  vmm: 'vmm',
  console: 'console',
  control_channel: 'control-channel',
  guest: 'guest',
  tap: 'network',
  bridge: 'network',
  mac: 'network',
  dnsmasq: 'network',
  lease: 'network',
  neighbour: 'network',
  firewall: 'network',
  reachability: 'network',
  agent: 'agent',
  token: 'agent',
  display: 'desktop',
  browser: 'desktop',
};

interface WhyCauseEntry {
  /** The check that finds it. */
  check: WhyCheckName;
  /** What is wrong, in one line. */
  title: string;
  /** What the reader can do about it. */
  hint: string;
}

/** The one table of what can be wrong with a VM. */
export const whyCauses = {
  host_daemon_down: {
    check: 'record',
    title: 'The host daemon does not answer',
    hint: 'Start it with `hearth up`; VMs go on without it. Its log is named by `hearth status`.',
  },
  unknown_to_host: {
    check: 'record',
    title: 'The host daemon has nothing of this VM',
    hint: 'Create another; `hearth logs --vm ID` tells what happened to this one.',
  },
  never_started: {
    check: 'record',
    title: 'It failed before its virtual machine ran',
    hint: 'The failure named in the evidence says what was missing; mend that and create another VM.',
  },
  vmm_killed: {
    check: 'process',
    title: 'The process of its virtual machine is gone',
    hint: 'Something ended QEMU from outside, or it crashed: look for the kernel’s OOM killer on the host, and at the VMM’s last words.',
  },
  vmm_stopped: {
    check: 'process',
    title: 'The process of its virtual machine is stopped by a signal',
    hint: 'Something sent it SIGSTOP (a debugger, job control): `kill -CONT PID` lets it go on.',
  },
  upper_disk_missing: {
    check: 'disk',
    title: 'The file of its private disk is gone',
    hint: 'It runs from a file that was deleted: save what matters with `hearth vm cp`, then delete the VM. Nothing but Hearth may touch the state folder.',
  },
  host_disk_full: {
    check: 'disk',
    title: 'The host’s disk is full',
    hint: 'Free space below the folder named in the evidence (`hearth image rm`, `hearth vm rm`); what the guest writes fails meanwhile.',
  },
  vmm_silent: {
    check: 'vmm',
    title: 'Its virtual machine monitor does not answer',
    hint: 'QEMU runs, but its monitor is silent: the host is overloaded or QEMU hangs. Restart the VM: `hearth vm restart ID`.',
  },
  vmm_paused: {
    check: 'vmm',
    title: 'Its processors are paused',
    hint: 'A save was broken off, or QEMU paused it after an I/O error (a full disk). Restart it: `hearth vm restart ID`.',
  },
  console_missing: {
    check: 'console',
    title: 'The file of its console is gone',
    hint: 'What it prints from now on is lost. Something but Hearth deleted it; a restart of the VM makes a new one.',
  },
  kernel_panic: {
    check: 'console',
    title: 'The guest’s kernel panicked',
    hint: 'Read the console (`hearth vm console ID`); too little memory is the usual cause. Create another VM, with more of it.',
  },
  guest_out_of_memory: {
    check: 'console',
    title: 'The guest ran out of memory, and its kernel killed a process',
    hint: 'Give it more memory (`hearth vm create --mem MIB`), or run less in it.',
  },
  emergency_mode: {
    check: 'console',
    title: 'The guest’s systemd stopped in emergency mode',
    hint: 'A unit that the boot needs failed: read the console (`hearth vm console ID`). A damaged disk is the usual cause.',
  },
  initramfs_failed: {
    check: 'console',
    title: 'The guest’s initramfs could not go on',
    hint: 'The line in the evidence says which disk or module was missing; build the image again (`hearth image build`).',
  },
  control_channel_closed: {
    check: 'control_channel',
    title: 'The control channel to the guest is closed',
    hint: 'The guest runs and can’t be asked without the network. Restart the VM; if it comes again, the guest’s virtio port is broken.',
  },
  guest_interface_missing: {
    check: 'guest',
    title: 'The guest has no network interface',
    hint: 'Its kernel lacks the driver, or the card was removed: build the image again, or restart the VM.',
  },
  guest_interface_down: {
    check: 'guest',
    title: 'The guest’s network interface is down',
    hint: 'Something in the guest took it down: `hearth vm restart ID`.',
  },
  guest_wrong_mac: {
    check: 'guest',
    title: 'The guest uses another MAC address than the one booked',
    hint: 'The firewall drops what it sends. Something in the guest changed it: `hearth vm restart ID`.',
  },
  guest_no_address: {
    check: 'guest',
    title: 'The guest has no address',
    hint: 'DHCP gave none: the later checks (dnsmasq, lease, firewall) say where its request was lost.',
  },
  guest_wrong_address: {
    check: 'guest',
    title: 'The guest has another address than the one booked',
    hint: 'Something in the guest configures its network besides DHCP: look for it there, or create another VM.',
  },
  kernel_ip_argument: {
    check: 'guest',
    title: 'The kernel’s `ip=` argument fights DHCP',
    hint: 'Take `ip=` out of `vms.kernelArguments`: the address comes by DHCP alone.',
  },
  duplicate_machine_id: {
    check: 'guest',
    title: 'The guest has the machine-id of another VM',
    hint: 'Two VMs with one machine-id get one address by DHCP. Something copied /etc/machine-id: `hearth vm restart ID`.',
  },
  guest_no_route: {
    check: 'guest',
    title: 'The guest has no route to its gateway',
    hint: 'Something in the guest removed it: `hearth vm restart ID`.',
  },
  guest_disk_full: {
    check: 'guest',
    title: 'The guest’s disk is full',
    hint: 'Delete files in it (`hearth shell ID`), or create a VM with a larger disk (`--disk MIB`).',
  },
  guest_clock_off: {
    check: 'guest',
    title: 'The guest’s clock is wrong',
    hint: 'Certificates and sign-ins fail with a wrong clock. Something set it in the guest: `hearth vm restart ID`.',
  },
  guest_unit_failed: {
    check: 'guest',
    title: 'A service in the guest failed',
    hint: 'Its words are on the console (`hearth vm console ID`); `hearth shell ID` and `systemctl status` tell more.',
  },
  tap_missing: {
    check: 'tap',
    title: 'Its TAP is gone',
    hint: 'Something removed the interface; a running VM can’t get another one: `hearth vm restart ID`.',
  },
  tap_down: {
    check: 'tap',
    title: 'Its TAP is down',
    hint: 'The next reconcile puts it up again (`hearth host drift`); find what took it down.',
  },
  tap_off_bridge: {
    check: 'tap',
    title: 'Its TAP is not on the bridge',
    hint: 'The next reconcile puts it back (`hearth host drift`); find what took it off.',
  },
  bridge_missing: {
    check: 'bridge',
    title: 'The bridge is gone',
    hint: 'Something removed it: `hearth down --keep-vms` and `hearth up` make it anew, VMs need a restart.',
  },
  bridge_down: {
    check: 'bridge',
    title: 'The bridge is down',
    hint: 'The next reconcile puts it up again (`hearth host drift`); find what took it down.',
  },
  bridge_address_gone: {
    check: 'bridge',
    title: 'The bridge has not its address',
    hint: 'The next reconcile gives it back (`hearth host drift`); another network tool on this host is the usual cause.',
  },
  mac_unknown: {
    check: 'mac',
    title: 'The bridge does not know its MAC at its TAP',
    hint: 'The next reconcile writes it again (`hearth host drift`).',
  },
  dnsmasq_dead: {
    check: 'dnsmasq',
    title: 'dnsmasq does not run',
    hint: 'It is started again and again; its last words are in the evidence. Another server on its port is the usual cause.',
  },
  reservation_missing: {
    check: 'dnsmasq',
    title: 'dnsmasq has no reservation for it, or another one',
    hint: 'The next reconcile writes it again (`hearth host drift`).',
  },
  lease_elsewhere: {
    check: 'lease',
    title: 'Its lease is for another address than the one booked',
    hint: 'Something changed dnsmasq’s files. Delete the VM and create another; the next reconcile puts the files right.',
  },
  lease_missing: {
    check: 'lease',
    title: 'dnsmasq has no lease of it',
    hint: 'Its request never arrived, or the lease file was lost: the firewall and TAP checks say which.',
  },
  neighbour_wrong_mac: {
    check: 'neighbour',
    title: 'The host’s neighbour table has another MAC for its address',
    hint: 'Another guest answers for this address, or the entry is stale; the next reconcile flushes it.',
  },
  firewall_changed: {
    check: 'firewall',
    title: 'The firewall’s rules were changed by something else',
    hint: 'The next reconcile sets them again (`hearth host drift`); find what changed them.',
  },
  pin_missing: {
    check: 'firewall',
    title: 'The firewall does not let it in',
    hint: 'Its MAC and address are not pinned to its TAP; the next reconcile pins them (`hearth host drift`).',
  },
  foreign_firewall: {
    check: 'firewall',
    title: 'Another tool’s firewall drops what it forwards',
    hint: 'A chain that is not Hearth’s drops forwarded packets by policy (Docker does this): let the interface named in the evidence through there.',
  },
  forwarding_off: {
    check: 'firewall',
    title: 'IP forwarding is off',
    hint: 'The next reconcile switches it on again (`hearth host drift`); another tool or sysctl.conf switched it off.',
  },
  unreachable_from_host: {
    check: 'reachability',
    title: 'The host gets no answer from its address',
    hint: 'Everything below looks right, yet packets are lost: look at the firewall in the guest.',
  },
  unreachable_from_guest: {
    check: 'reachability',
    title: 'The guest gets no answer from its gateway',
    hint: 'It can be reached but can’t reach: look at the routes and the firewall in the guest.',
  },
  agent_masked: {
    check: 'agent',
    title: 'The agent’s unit is masked or missing in the guest',
    hint: 'The image, or somebody in the guest, switched it off: create another VM; build the image again if it comes again.',
  },
  agent_crashed: {
    check: 'agent',
    title: 'The agent does not run: it crashed',
    hint: 'Its last words are on the console (`hearth vm console ID`). systemd starts it again; `hearth vm restart ID` starts all anew.',
  },
  agent_hung: {
    check: 'agent',
    title: 'The agent runs, and does not answer',
    hint: 'The guest is overloaded, or the agent hangs: `hearth vm restart ID`.',
  },
  agent_wrong_version: {
    check: 'agent',
    title: 'The agent is not the one of the image',
    hint: 'Build the image again with `hearth image build`.',
  },
  agent_of_another_vm: {
    check: 'agent',
    title: 'The agent at its address is another VM’s',
    hint: 'Two VMs share the address. Delete this one; `hearth host drift` shows what disagrees.',
  },
  token_refused: {
    check: 'token',
    title: 'The agent refuses the token of this boot',
    hint: 'It did not take its identity, or is not the agent that Hearth put there: `hearth vm restart ID`.',
  },
  display_dead: {
    check: 'display',
    title: 'Its display does not run',
    hint: 'The X server in the guest is down; its words are on the console (`hearth vm console ID`).',
  },
  browser_dead: {
    check: 'browser',
    title: 'Its browser does not run',
    hint: 'Chromium in the guest is down; its words are on the console (`hearth vm console ID`). Too little memory is the usual cause.',
  },
} as const satisfies Record<string, WhyCauseEntry>;

export type WhyCause = keyof typeof whyCauses;
export const whyCauseNames = Object.keys(whyCauses) as [WhyCause, ...WhyCause[]];
