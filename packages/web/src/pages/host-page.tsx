import type { HostState } from '@hearth/contract';
import type { ReactElement, ReactNode } from 'react';
import { useId } from 'react';
import { Link } from 'react-router';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTitle } from '../design/use-title.ts';
import { Capacity } from '../host/capacity.tsx';
import { Creation } from '../host/creation.tsx';
import { DriftList } from '../host/drift-list.tsx';
import '../host/host.css';
import { useHost } from '../host/use-host.ts';
import { useMe } from '../session/use-me.ts';
import '../vms/card.css';
import './vm-page.css';

/** The machine that runs the VMs, for administrators. */
export function HostPage(): ReactElement {
  useTitle('Host');
  const me = useMe();
  const { host, drift, error } = useHost(me?.role === 'admin');
  return (
    <PageFrame>
      <div className="page-head">
        <h1>Host</h1>
        {host === undefined ? null : (
          <span className={`badge ${host.draining ? 'unhealthy' : 'ready'}`}>
            {host.draining ? 'being drained' : 'takes VMs'}
          </span>
        )}
      </div>
      {me !== undefined && me.role !== 'admin' ? <p>This page is for administrators.</p> : null}
      {error === null ? null : <Problem error={error} />}
      {host?.draining === true ? (
        <p className="notice warn" role="status">
          <span>
            It takes no new VMs and resumes none, until <code>hearth host drain --off</code>.
          </span>
        </p>
      ) : null}
      {host === undefined ? (
        me?.role === 'admin' && error === null ? (
          <p className="muted" role="status">
            Asking the host…
          </p>
        ) : null
      ) : (
        <div className="host-grid">
          <Part title="Creation of VMs">
            <Creation breaker={host.breaker} />
          </Part>
          <Part title="VMs that don’t answer as they should">
            <Unhealthy unhealthy={host.unhealthy} />
          </Part>
          <Part title="Room">
            <Capacity capacity={host.capacity} />
          </Part>
          <Part title="Drift">
            {drift === undefined ? <p className="muted">Not known yet</p> : <DriftList report={drift} />}
          </Part>
        </div>
      )}
    </PageFrame>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }): ReactElement {
  const headingId = useId();
  return (
    <section className="panel" aria-labelledby={headingId}>
      <h2 id={headingId}>{title}</h2>
      {children}
    </section>
  );
}

function Unhealthy({ unhealthy }: Pick<HostState, 'unhealthy'>): ReactElement {
  if (unhealthy.length === 0)
    return (
      <p>
        <span className="badge ready">none</span>
      </p>
    );
  return (
    <ul className="unhealthy-list">
      {unhealthy.map(({ vmId, finding }) => (
        <li key={vmId}>
          <div className="row">
            <strong>{finding.title}</strong>
            <Link className="push small" to={`/vms/${vmId}/why`} aria-label={`Why? ${vmId}`}>
              {vmId}
            </Link>
          </div>
          <p className="small">{finding.detail}</p>
        </li>
      ))}
    </ul>
  );
}
