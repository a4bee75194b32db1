import type { Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { Icon, type IconName } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { useTicking } from '../design/use-ticking.ts';
import { BootNow } from '../timeline/boot-now.tsx';
import { formatAge } from './age.ts';
import './card.css';
import { DeleteButton } from './delete-button.tsx';
import { FindingNotice } from './finding-notice.tsx';
import { StateBadge } from './state-badge.tsx';
import { RestartButton } from './restart-button.tsx';
import { HibernationNotice } from './hibernation-notice.tsx';
import { ForkButton, SleepButtons } from './sleep-buttons.tsx';
import { isBooting, kindWords } from './state-words.ts';
import { Thumbnail } from './thumbnail.tsx';
import { useVmAction } from './use-vm-action.ts';

const AGE_STEP_MS = 10_000;

export function VmCard({ vm }: { vm: Vm }): ReactElement {
  const nowMs = useTicking(AGE_STEP_MS);
  const { id, kind, state } = vm;
  const acting = useVmAction(id);
  const age = formatAge(vm.createdAt, nowMs);
  return (
    <li className="card" aria-label={`${kindWords[kind]} ${id}`}>
      {kind === 'browser' && state === 'ready' ? (
        <Link to={`/vms/${id}/desktop`} tabIndex={-1} aria-hidden="true">
          <Thumbnail id={id} />
        </Link>
      ) : (
        <div className="thumbnail">{isBooting(vm) ? <BootNow vm={vm} /> : <Icon name={pictureOf(vm)} />}</div>
      )}
      <div className="card-body">
        <div className="row">
          <h2>
            <Link to={`/vms/${id}`}>{id}</Link>
          </h2>
          <span className="push">
            <StateBadge vm={vm} />
          </span>
        </div>
        <p className="muted small">
          {kindWords[kind]} · <time dateTime={vm.createdAt}>{age === 'just now' ? age : `${age} old`}</time> ·{' '}
          {vm.cpus} {vm.cpus === 1 ? 'CPU' : 'CPUs'} ·{' '}
          {(vm.memMiB / 1024).toFixed(vm.memMiB % 1024 === 0 ? 0 : 1)}&nbsp;GiB
        </p>
        <FindingNotice vm={vm} />
        <HibernationNotice vm={vm} />
        {acting.error === null ? null : <Problem error={acting.error} />}
        <div className="row card-actions">
          {kind === 'browser' && (state === 'ready' || isBooting(vm)) ? (
            <Link className={`button slim ${state === 'ready' ? 'primary' : ''}`} to={`/vms/${id}/desktop`}>
              <Icon name="screen" /> {state === 'ready' ? 'Open desktop' : 'Watch it start'}
            </Link>
          ) : null}
          <RestartButton vm={vm} acting={acting} slim />
          <SleepButtons vm={vm} acting={acting} slim />
          <Link className="button slim" to={`/vms/${id}/console`}>
            <Icon name="terminal" /> Console
          </Link>
          <span className="row push">
            <ForkButton vm={vm} acting={acting} slim />
            <DeleteButton vm={vm} />
          </span>
        </div>
      </div>
    </li>
  );
}

function pictureOf({ kind, state }: Vm): IconName {
  if (state === 'hibernating' || state === 'hibernated') return 'moon';
  return kind === 'browser' ? 'screen' : 'terminal';
}
