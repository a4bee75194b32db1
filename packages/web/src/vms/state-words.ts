import type { Vm, VmKind, VmState } from '@hearth/contract';

/** States as people say them. */
export const stateWords: Readonly<Record<VmState, string>> = {
  requested: 'starting',
  starting: 'starting',
  ready: 'ready',
  failed: 'failed',
  deleting: 'being deleted',
  deleted: 'deleted',
};

export const kindWords: Readonly<Record<VmKind, string>> = { browser: 'Browser VM', cli: 'CLI VM' };

export const isBooting = ({ state }: Pick<Vm, 'state'>): boolean =>
  state === 'requested' || state === 'starting';
