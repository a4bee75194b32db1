import type { BootPhase, Vm, VmKind } from '@hearth/contract';

/** What goes on until a phase is reached. */
const doing: Readonly<Record<BootPhase, string>> = {
  taken: 'Taking one that waits',
  admitted: 'Waiting for room on the host',
  disk: 'Making its private disk',
  tap: 'Connecting its network cable',
  vmm: 'Starting the virtual machine',
  load: 'Loading its saved memory',
  resume: 'Letting it run on',
  kernel: 'Waking the kernel',
  init: 'Starting the system',
  network: 'Getting its address',
  agent: 'Reaching the agent inside',
  identity: 'Giving it its own identity',
  ready: 'Proving that it works',
  thaw: 'Letting its browser run on',
  first_frame: 'Sending the first picture',
};

const labels: Readonly<Record<BootPhase, string>> = {
  taken: 'taken',
  admitted: 'admitted',
  disk: 'disk',
  tap: 'cable',
  vmm: 'machine',
  load: 'memory',
  resume: 'resume',
  kernel: 'kernel',
  init: 'system',
  network: 'network',
  agent: 'agent',
  identity: 'identity',
  ready: 'ready',
  thaw: 'browser',
  first_frame: 'picture',
};

export const phaseLabel = (phase: BootPhase): string => labels[phase];

export function phaseInWords(phase: BootPhase, vm: { kind: VmKind } & Start): string {
  return phase === 'ready' && vm.kind === 'browser' && wayOf(vm) === boot
    ? 'Painting the desktop and starting its browser'
    : doing[phase];
}

type Start = Pick<Vm, 'origin' | 'timeline'>;

// prettier-ignore
const boot: readonly BootPhase[] = ['admitted', 'disk', 'tap', 'vmm', 'kernel', 'init', 'network', 'agent', 'identity', 'ready'];
// prettier-ignore
const restore: readonly BootPhase[] = ['admitted', 'disk', 'tap', 'vmm', 'load', 'resume', 'agent', 'identity', 'network', 'ready'];
const warm: readonly BootPhase[] = ['taken', 'ready'];

/** The phases that a start goes through, in their order. A snapshot that can't be used leaves a boot. */
export function wayOf({ origin, timeline }: Start): readonly BootPhase[] {
  const has = (...phases: BootPhase[]): boolean =>
    timeline.phases.some(({ phase }) => phases.includes(phase));
  if (has('taken')) return warm;
  if (has('kernel', 'init')) return boot;
  if (has('load', 'resume')) return restore;
  return origin === 'snapshot' || origin === 'hibernation' ? restore : boot;
}

/** The phase that is under way: the first on its way behind all that were reached. */
export function phaseUnderWay(vm: Start): BootPhase | null {
  const way = wayOf(vm);
  const last = Math.max(-1, ...vm.timeline.phases.map(({ phase }) => way.indexOf(phase)));
  return way[last + 1] ?? null;
}
