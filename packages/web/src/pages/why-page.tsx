import type { Vm, Why } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link, useParams, useSearchParams } from 'react-router';
import { Icon } from '../design/icon.tsx';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTitle } from '../design/use-title.ts';
import { formatSecond } from '../design/moment.ts';
import { formatSpan } from '../vms/age.ts';
import '../vms/card.css';
import { RestartButton } from '../vms/restart-button.tsx';
import { StateBadge } from '../vms/state-badge.tsx';
import { isBooting } from '../vms/state-words.ts';
import { useVm } from '../vms/use-vm.ts';
import { useVmAction } from '../vms/use-vm-action.ts';
import { Layers } from '../why/layers.tsx';
import { useWhy, type Diagnosing } from '../why/use-why.ts';
import { checkTitle, triggerInWords } from '../why/ways.ts';
import './vm-page.css';

/** Why can't I reach this VM? The way to it, layer by layer. */
export function WhyPage(): ReactElement {
  const { id = '' } = useParams();
  const [search] = useSearchParams();
  const stored = search.get('stored') === 'true';
  useTitle(`Why? ${id}`);
  const diagnosing = useWhy(id, stored);
  const { why, error, looking } = diagnosing;
  const { vm } = useVm(id);
  return (
    <PageFrame>
      <p className="small">
        <Link to={`/vms/${id}`}>
          ← <span className="vm-id-small">{id}</span>
        </Link>
      </p>
      <div className="page-head">
        <h1>{why?.summary ?? (error === null ? 'Looking at every layer…' : 'It could not be looked at')}</h1>
        {vm === undefined ? null : <StateBadge vm={vm} />}
        <Actions vm={vm} diagnosing={diagnosing} />
      </div>
      <p className="hidden-text" role="status">
        {looking ? 'Looking at every layer' : why === undefined ? '' : `Found: ${why.summary}`}
      </p>
      {error === null ? null : <Problem error={error} />}
      {why === undefined ? (
        looking ? (
          <p className="muted">The host and the guest are asked, each with a deadline: a few seconds.</p>
        ) : null
      ) : (
        <Found why={why} vm={vm} stored={stored} />
      )}
    </PageFrame>
  );
}

function Actions({ vm, diagnosing }: { vm: Vm | undefined; diagnosing: Diagnosing }): ReactElement {
  const { looking, lookAgain } = diagnosing;
  return (
    <div className="row push">
      {vm === undefined ? null : <Restart vm={vm} />}
      <button type="button" className="button" disabled={looking} onClick={lookAgain}>
        <Icon name="refresh" /> {looking ? 'Looking…' : 'Look again'}
      </button>
    </div>
  );
}

function Restart({ vm }: { vm: Vm }): ReactElement {
  const acting = useVmAction(vm.id);
  return (
    <>
      {acting.error === null ? null : <Problem error={acting.error} />}
      {isBooting(vm) ? <Link to={`/vms/${vm.id}`}>Watch it start</Link> : null}
      <RestartButton vm={vm} acting={acting} />
    </>
  );
}

function Found({ why, vm, stored }: { why: Why; vm: Vm | undefined; stored: boolean }): ReactElement {
  const { finding, trigger, at, tookMs } = why;
  return (
    <>
      <p className="why-meta muted small">
        {finding === null ? null : (
          <span>
            First broken layer: <a href={`#layer-${finding.check}`}>{checkTitle(finding.check)}</a>
          </span>
        )}
        <span>
          {triggerInWords(why)} <time dateTime={at}>{formatSecond(at)}</time>, in {formatSpan(tookMs)}
        </span>
        {stored ? (
          <Link to="?">Look at it now</Link>
        ) : trigger === 'asked' && vm?.state === 'ready' && vm.finding !== null ? (
          <Link to="?stored=true">What was found when it stopped answering</Link>
        ) : null}
        <Link to={`/vms/${why.vmId}/console`}>Console</Link>
      </p>
      <Layers why={why} />
    </>
  );
}
