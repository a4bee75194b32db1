import type { Vm } from '@hearth/contract';
import { useEffect, useRef, type ReactElement } from 'react';
import { Link, useLocation, useNavigate, useParams } from 'react-router';
import { ConsoleView } from '../console/console-view.tsx';
import { CopyButton } from '../design/copy-button.tsx';
import { Icon } from '../design/icon.tsx';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTicking } from '../design/use-ticking.ts';
import { useTitle } from '../design/use-title.ts';
import { TimelinePicture } from '../timeline/timeline-picture.tsx';
import { formatAge } from '../vms/age.ts';
import { DeleteButton } from '../vms/delete-button.tsx';
import { FindingNotice } from '../vms/finding-notice.tsx';
import { HibernationNotice } from '../vms/hibernation-notice.tsx';
import { RestartButton } from '../vms/restart-button.tsx';
import { ForkButton, SleepButtons } from '../vms/sleep-buttons.tsx';
import { StateBadge } from '../vms/state-badge.tsx';
import { isBooting, kindWords, originInWords } from '../vms/state-words.ts';
import { useVm } from '../vms/use-vm.ts';
import { useVmAction } from '../vms/use-vm-action.ts';
import '../vms/card.css';
import './vm-page.css';

/** One VM: how it started, what it is, what it wrote to its console. */
export function VmPage(): ReactElement {
  const { id = '' } = useParams();
  useTitle(id);
  const { vm, refused } = useVm(id);
  return (
    <PageFrame>
      <p className="small">
        <Link to="/vms">← My VMs</Link>
      </p>
      {refused !== null && vm === undefined ? <h1>This VM can’t be shown</h1> : null}
      {refused === null ? null : <Problem error={refused} />}
      {vm === undefined ? (
        refused === null ? (
          <p className="muted" role="status">
            Looking for {id}…
          </p>
        ) : null
      ) : (
        <VmDetails key={vm.id} vm={vm} />
      )}
    </PageFrame>
  );
}

function VmDetails({ vm }: { vm: Vm }): ReactElement {
  const { pathname } = useLocation();
  const consolePlace = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (pathname.endsWith('/console')) consolePlace.current?.scrollIntoView();
  }, [pathname]);
  const acting = useVmAction(vm.id);
  const navigate = useNavigate();
  const { fork } = acting;
  useEffect(() => {
    if (fork !== null) void navigate(`/vms/${fork.id}`);
  }, [fork, navigate]);
  return (
    <>
      <div className="page-head">
        <h1 className="vm-id">{vm.id}</h1>
        <StateBadge vm={vm} />
        <div className="row push">
          {vm.kind === 'browser' && (vm.state === 'ready' || isBooting(vm)) ? (
            <Link className="button primary" to={`/vms/${vm.id}/desktop`}>
              <Icon name="screen" /> Open desktop
            </Link>
          ) : null}
          <RestartButton vm={vm} acting={acting} />
          <SleepButtons vm={vm} acting={acting} />
          <ForkButton vm={vm} acting={acting} />
          <Link className="button" to={`/vms/${vm.id}/why`}>
            <Icon name="search" /> Why?
          </Link>
          <DeleteButton vm={vm} />
        </div>
      </div>
      <FindingNotice vm={vm} />
      <HibernationNotice vm={vm} />
      {acting.error === null ? null : <Problem error={acting.error} />}
      <div className="vm-grid">
        <section className="panel" aria-labelledby="timeline-heading">
          <h2 id="timeline-heading">How it started</h2>
          <TimelinePicture vm={vm} />
        </section>
        <section className="panel" aria-labelledby="facts-heading">
          <h2 id="facts-heading">What it is</h2>
          <Facts vm={vm} />
        </section>
      </div>
      {vm.state === 'ready' || vm.state === 'hibernated' ? <Commands vm={vm} /> : null}
      <div ref={consolePlace}>
        <ConsoleView vm={vm} />
      </div>
    </>
  );
}

const AGE_STEP_MS = 10_000;

function Facts({ vm }: { vm: Vm }): ReactElement {
  const nowMs = useTicking(AGE_STEP_MS);
  const facts: readonly (readonly [string, string])[] = [
    ['Kind', kindWords[vm.kind]],
    ['Created', ago(vm.createdAt, nowMs)],
    ...(vm.lastUsedAt === null ? [] : [['Last used', ago(vm.lastUsedAt, nowMs)] as const]),
    ['Came up from', originInWords(vm)],
    ['CPUs', String(vm.cpus)],
    ['Memory', `${vm.memMiB} MiB`],
    ['Disk', `${vm.diskMiB} MiB at most`],
    ...(vm.desktop === null ? [] : [['Screen', `${vm.desktop.width} × ${vm.desktop.height}`] as const]),
    ['Address', vm.ip ?? 'none'],
    ['Image', vm.imageId ?? 'none yet'],
  ];
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function ago(iso: string, nowMs: number): string {
  const age = formatAge(iso, nowMs);
  return age === 'just now' ? age : `${age} ago`;
}

/** What one does with it from a shell. */
function Commands({ vm }: { vm: Vm }): ReactElement {
  const commands = [
    `hearth vm exec ${vm.id} -- uname -a`,
    ...(vm.kind === 'browser' ? [`hearth vm vnc ${vm.id}`] : []),
    `hearth vm cp FILE ${vm.id}:/tmp/`,
    ...(vm.kind === 'cli' ? [`hearth vm ${vm.state === 'ready' ? 'hibernate' : 'resume'} ${vm.id}`] : []),
    ...(vm.kind === 'cli' ? [`hearth vm fork ${vm.id}`] : []),
  ];
  return (
    <section className="panel" aria-labelledby="commands-heading">
      <h2 id="commands-heading">From your shell</h2>
      <ul className="commands">
        {commands.map((command) => (
          <li key={command} className="row">
            <code>{command}</code>
            <span className="push">
              <CopyButton text={() => command} label="Copy" />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
