import type { Vm, VmKind, VmOrigin, VmState } from '@hearth/contract';

/** States as people say them. */
export const stateWords: Readonly<Record<VmState, string>> = {
  requested: 'starting',
  starting: 'starting',
  ready: 'ready',
  hibernating: 'hibernating',
  hibernated: 'hibernated',
  failed: 'failed',
  deleting: 'being deleted',
  deleted: 'deleted',
};

export const kindWords: Readonly<Record<VmKind, string>> = { browser: 'Browser VM', cli: 'CLI VM' };

const originWords: Readonly<Record<VmOrigin, string>> = {
  image: 'a boot of its image',
  snapshot: 'a golden snapshot',
  hibernation: 'saved memory',
};

/** What a VM came up from. */
export const originInWords = ({ origin }: Pick<Vm, 'origin'>): string =>
  origin === null ? 'not known yet' : originWords[origin];

/** It was ready, and doesn’t answer as it should. */
export const isUnhealthy = ({ state, finding }: Pick<Vm, 'state' | 'finding'>): boolean =>
  state === 'ready' && finding !== null;

export const isBooting = ({ state }: Pick<Vm, 'state'>): boolean =>
  state === 'requested' || state === 'starting';
