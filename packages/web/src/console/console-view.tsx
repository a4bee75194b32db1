import type { Vm } from '@hearth/contract';
import { useEffect, useMemo, useRef, useState, type ReactElement } from 'react';
import { CopyButton } from '../design/copy-button.tsx';
import { Problem } from '../design/problem.tsx';
import './console.css';
import { consoleAsText, MAX_LINES } from './console-text.ts';
import { useConsole } from './use-console.ts';

/** So close to the end the view follows what comes. */
const NEAR_END_PX = 40;

export function ConsoleView({ vm }: { vm: Pick<Vm, 'id' | 'state'> }): ReactElement {
  const [timestamps, setTimestamps] = useState(false);
  const { text, state, error } = useConsole(
    vm.id,
    timestamps,
    vm.state !== 'failed' && vm.state !== 'hibernated' && vm.state !== 'deleted',
  );
  const screen = useRef<HTMLPreElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const shown = useMemo(() => consoleAsText(text), [text]);
  useEffect(() => {
    const element = screen.current;
    if (element !== null && atEnd) element.scrollTop = element.scrollHeight;
  }, [shown, atEnd]);
  return (
    <section className="panel" aria-labelledby="console-heading">
      <div className="panel-head">
        <h2 id="console-heading">Console</h2>
        <span className="muted small" role="status">
          {state === 'following' ? (atEnd ? 'live' : 'live; scroll to the end to follow') : 'complete'}
        </span>
        <label className="row push small">
          <input
            type="checkbox"
            checked={timestamps}
            onChange={({ currentTarget }) => setTimestamps(currentTarget.checked)}
          />
          Timestamps
        </label>
        <CopyButton text={() => shown} label="Copy" />
      </div>
      {error === null ? null : <Problem error={error} />}
      {text.dropped === 0 ? null : (
        <p className="muted small">
          These are the last {MAX_LINES} lines; {text.dropped} before them are left out here.{' '}
          <code>hearth vm console {vm.id}</code> prints all.
        </p>
      )}
      <pre
        ref={screen}
        className="console"
        tabIndex={0}
        aria-label={`Console of ${vm.id}`}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) =>
          setAtEnd(scrollHeight - scrollTop - clientHeight < NEAR_END_PX)
        }
      >
        {shown === '' ? 'Nothing was written yet.' : shown}
      </pre>
    </section>
  );
}
