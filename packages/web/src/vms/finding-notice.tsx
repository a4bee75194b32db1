import { hintFor, type Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { Trouble } from '../design/problem.tsx';

/** What is wrong with a VM that failed or stopped answering, and the way to all that was found; nothing for one that is well. */
export function FindingNotice({ vm }: { vm: Vm }): ReactElement | null {
  const { id, failure, finding } = vm;
  const told = finding ?? failure;
  if (told === null) return null;
  const detail = finding !== null && failure !== null ? `${failure.title}: ${failure.detail}` : told.detail;
  return (
    <Trouble title={told.title} detail={detail} hint={hintFor(told.hint, id)}>
      {finding === null && vm.state !== 'failed' ? null : (
        <Link className="small" to={`/vms/${id}/why`}>
          Why? Look at every layer
        </Link>
      )}
    </Trouble>
  );
}
