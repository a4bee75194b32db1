import type { VmState } from '@hearth/contract';
import type { ReactElement } from 'react';
import { stateWords } from './state-words.ts';

export function StateBadge({ state }: { state: VmState }): ReactElement {
  return <span className={`badge ${state}`}>{stateWords[state]}</span>;
}
