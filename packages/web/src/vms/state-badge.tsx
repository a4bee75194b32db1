import type { Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { isUnhealthy, stateWords } from './state-words.ts';

export function StateBadge({ vm }: { vm: Pick<Vm, 'state' | 'finding'> }): ReactElement {
  if (isUnhealthy(vm)) return <span className="badge unhealthy">unhealthy</span>;
  return <span className={`badge ${vm.state}`}>{stateWords[vm.state]}</span>;
}
