import { errorTable, type TerminalNotice } from '@hearth/contract';
import { useEffect, useRef, useState, type ReactElement, type RefObject } from 'react';
import { Problem } from '../design/problem.tsx';
import { KeyRow } from './key-row.tsx';
import { makeScreen, type Screen } from './screen.ts';
import { openTerminal, type TerminalConnection, type TerminalState } from './terminal-connection.ts';
import type { OpenedTerminal, TerminalPlace } from './use-terminals.ts';

export interface TerminalViewProps {
  terminal: TerminalPlace & Partial<Pick<OpenedTerminal, 'title'>>;
  onTitle: (title: string) => void;
  /** Focuses it when called. */
  focus: RefObject<() => void>;
}

/** One terminal, for as long as it is shown; it goes on in the VM when this closes. */
export function TerminalView({ terminal: { vmId, id }, onTitle, focus }: TerminalViewProps): ReactElement {
  const place = useRef<HTMLDivElement>(null);
  const connection = useRef<TerminalConnection | null>(null);
  const screen = useRef<Screen | null>(null);
  const [state, setState] = useState<TerminalState>({ kind: 'connecting' });
  const [viewers, setViewers] = useState(1);
  const [exitCode, setExitCode] = useState<number | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const latest = useRef(onTitle);
  latest.current = onTitle;

  useEffect(() => {
    if (place.current === null) return;
    const shown = makeScreen(place.current, {
      onInput: (bytes) => {
        if (connection.current?.type(bytes) === false)
          setSaid('Not sent: there is no connection, or too much waits.');
        else setSaid(null);
      },
      onRoom: (size) => connection.current?.resize(size),
      onCopyRefused: () => setSaid('The browser forbids copying here; use its own menu.'),
    });
    const { xterm } = shown;
    const take = (notice: TerminalNotice): void => {
      switch (notice.type) {
        case 'reset':
          xterm.reset();
          xterm.resize(notice.cols, notice.rows);
          setExitCode(null);
          break;
        case 'size':
          xterm.resize(notice.cols, notice.rows);
          break;
        case 'viewers':
          setViewers(notice.count);
          break;
        case 'title':
          latest.current(notice.title);
          break;
        case 'exit':
          setExitCode(notice.exitCode);
          break;
      }
    };
    const opened = openTerminal(
      { vmId, terminalId: id },
      {
        onState: (next) => {
          setState(next);
          if (next.kind === 'connected') setSaid(null);
        },
        onNotice: take,
        onBytes: (bytes, done) => xterm.write(bytes, done),
      },
    );
    const room = shown.room();
    if (room !== null) opened.resize(room);
    connection.current = opened;
    screen.current = shown;
    focus.current = () => xterm.focus();
    xterm.focus();
    return () => {
      opened.close();
      shown.dispose();
      connection.current = null;
      screen.current = null;
      focus.current = () => undefined;
    };
  }, [vmId, id, focus]);

  return (
    <div className="terminal-view">
      <div ref={place} className={`terminal-place ${state.kind === 'connected' ? '' : 'stale'}`} />
      <div className="terminal-state small" role="status">
        {exitCode !== null ? (
          <span>It ended with exit code {exitCode}.</span>
        ) : state.kind === 'connected' ? (
          viewers > 1 ? (
            <span className="muted">
              {viewers} windows show it; it has the size of the one that typed last.
            </span>
          ) : null
        ) : state.kind === 'over' ? null : (
          <span className="row">
            {state.kind === 'connecting'
              ? 'Connecting…'
              : state.error === null
                ? 'Connecting again… It goes on in the VM meanwhile.'
                : `${errorTable[state.error.code].title}. Trying again…`}
            {state.kind === 'waiting' ? (
              <button type="button" className="button slim" onClick={() => connection.current?.reconnect()}>
                Reconnect now
              </button>
            ) : null}
          </span>
        )}
        {said === null ? null : <span className="bad-text">{said}</span>}
      </div>
      {state.kind === 'over' ? (
        <Problem error={state.error}>
          <div className="row">
            <button type="button" className="button slim" onClick={() => connection.current?.reconnect()}>
              Reconnect
            </button>
          </div>
        </Problem>
      ) : null}
      <KeyRow
        onKey={(text) => {
          screen.current?.xterm.input(text);
          screen.current?.xterm.focus();
        }}
        applicationCursor={() => screen.current?.xterm.modes.applicationCursorKeysMode ?? false}
      />
    </div>
  );
}
