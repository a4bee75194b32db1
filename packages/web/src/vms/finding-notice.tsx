import { hintFor, type Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { Trouble } from '../design/problem.tsx';

/** What is wrong with a VM that failed or stopped answering, and the way to all that was found; nothing for one that is well. */
export function FindingNotice({ vm }: { vm: Vm }): ReactElement | null {
  const { id, state, failure, finding } = vm;
  const told = failure ?? finding;
  if (told === null) return null;
  const found = failure === null ? null : finding;
  return (
    <Trouble title={told.title} detail={told.detail} hint={hintFor((found ?? told).hint, id)}>
      {found === null ? null : (
        <span>
          Found: {found.title}
          {told.detail.includes(found.detail) ? '' : `: ${found.detail}`}
        </span>
      )}
      {state === 'failed' || finding !== null ? (
        <Link className="small" to={`/vms/${id}/why`}>
          Why? Look at every layer
        </Link>
      ) : null}
    </Trouble>
  );
}
