import { hintFor, type Why } from '@hearth/contract';
import { useId, type ReactElement } from 'react';
import { Icon } from '../design/icon.tsx';
import { Hint } from '../design/problem.tsx';
import { checkTitle, drawnChecks, statusWords, ways, type DrawnCheck, type Way } from './ways.ts';
import './why.css';

/** The two ways into the VM, layer by layer; the first broken one stands open. */
export function Layers({ why }: { why: Why }): ReactElement {
  const checks = drawnChecks(why);
  return (
    <div className="ways">
      {ways.map((way) => (
        <WayOfChecks
          key={way.title}
          way={way}
          checks={checks.filter(({ name }) => way.checks.includes(name))}
          why={why}
        />
      ))}
    </div>
  );
}

function WayOfChecks(props: { way: Way; checks: readonly DrawnCheck[]; why: Why }): ReactElement | null {
  const { way, checks, why } = props;
  const headingId = useId();
  if (checks.length === 0) return null;
  return (
    <section className="panel way" aria-labelledby={headingId}>
      <div>
        <h2 id={headingId}>{way.title}</h2>
        <p className="muted small">{way.about}</p>
      </div>
      <ol className="layers">
        {checks.map((check) => (
          <li
            key={check.name}
            id={`layer-${check.name}`}
            className={`layer ${check.status} ${check.place}`}
            tabIndex={-1}
          >
            <Layer check={check} why={why} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Layer({ check, why }: { check: DrawnCheck; why: Why }): ReactElement {
  const hint = check.place === 'first' ? why.finding?.hint : undefined;
  if (check.evidence.length === 0 && hint === undefined)
    return (
      <div className="layer-line">
        <LayerWords check={check} />
      </div>
    );
  return (
    // The key opens it where another look finds it broken.
    <details key={check.place} open={check.place === 'first'}>
      <summary className="layer-line">
        <LayerWords check={check} />
      </summary>
      <div className="layer-more">
        {check.evidence.length === 0 ? null : (
          <ul className="evidence" aria-label="What shows it">
            {check.evidence.map((line, index) => (
              <li key={index}>{line}</li>
            ))}
          </ul>
        )}
        {hint === undefined ? null : (
          <p className="what-to-do">
            <strong>What to do</strong>
            <span>
              <Hint text={hintFor(hint, why.vmId)} />
            </span>
          </p>
        )}
      </div>
    </details>
  );
}

function LayerWords({ check: { name, status, says } }: { check: DrawnCheck }): ReactElement {
  return (
    <>
      <span className="mark">
        {status === 'ok' ? <Icon name="check" /> : null}
        {status === 'broken' ? <Icon name="close" /> : null}
        {status === 'unknown' ? <span aria-hidden="true">?</span> : null}
        {status === 'skipped' ? <span aria-hidden="true">–</span> : null}
      </span>
      <span className="layer-words">
        <span className="layer-name">
          {checkTitle(name)}
          <span className="hidden-text">, {statusWords[status]}:</span>
        </span>{' '}
        <span className="layer-says">{says}</span>
      </span>
    </>
  );
}
