import { bootPhases, type BootPhase, type VmKind } from '@hearth/contract';

/** What goes on until a phase is reached. */
const doing: Readonly<Record<BootPhase, string>> = {
  admitted: 'Waiting for room on the host',
  disk: 'Making its private disk',
  tap: 'Connecting its network cable',
  vmm: 'Starting the virtual machine',
  kernel: 'Waking the kernel',
  init: 'Starting the system',
  network: 'Getting its address',
  agent: 'Starting the agent inside',
  ready: 'Proving that it works',
};

const labels: Readonly<Record<BootPhase, string>> = {
  admitted: 'admitted',
  disk: 'disk',
  tap: 'cable',
  vmm: 'machine',
  kernel: 'kernel',
  init: 'system',
  network: 'network',
  agent: 'agent',
  ready: 'ready',
};

export const phaseLabel = (phase: BootPhase): string => labels[phase];

export function phaseInWords(phase: BootPhase, kind: VmKind): string {
  return phase === 'ready' && kind === 'browser'
    ? 'Painting the desktop and starting its browser'
    : doing[phase];
}

/** The phase that is under way: the first, in their order, behind all that were reached. */
export function phaseUnderWay(reached: readonly { phase: BootPhase }[]): BootPhase | null {
  const last = Math.max(-1, ...reached.map(({ phase }) => bootPhases.indexOf(phase)));
  return bootPhases[last + 1] ?? null;
}
