import type { BootPhase, Vm, VmOrigin } from '@hearth/contract';

/** What is the case once a phase is reached. */
export const phaseWords: Readonly<Record<BootPhase, string>> = {
  taken: 'it was waiting in the warm pool',
  admitted: 'the host has room for it',
  disk: 'its private disk is there',
  tap: 'its network card is there',
  vmm: 'its virtual machine is there',
  load: 'saved memory and devices are in it',
  resume: 'its processors run on',
  kernel: 'the kernel runs',
  init: 'the system starts',
  network: 'it has its address',
  agent: 'the agent inside speaks',
  identity: 'it is this VM and no other',
  ready: 'it is proven to answer',
  thaw: 'its browser runs on',
  first_frame: 'the first picture went to a viewer',
};

const originWords: Readonly<Record<VmOrigin, string>> = {
  image: 'a boot of the image',
  snapshot: 'a golden snapshot',
  hibernation: 'saved memory',
};

/** What a VM came up from; null before that is known. */
export function originInWords({ origin, timeline }: Pick<Vm, 'origin' | 'timeline'>): string | null {
  if (origin === null) return null;
  const waited = timeline.phases.some(({ phase }) => phase === 'taken');
  return `${originWords[origin]}${waited ? ', and the warm pool' : ''}`;
}
