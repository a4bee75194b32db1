import { providers, vmIdSchema, terminalIdSchema } from '@hearth/contract';
import { useRef, useState, type ReactElement } from 'react';
import { Navigate, useNavigate, useParams } from 'react-router';
import { useCredentials } from '../connect/use-credentials.ts';
import { ConfirmDialog } from '../design/confirm-dialog.tsx';
import { Icon } from '../design/icon.tsx';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem } from '../design/problem.tsx';
import { useTitle } from '../design/use-title.ts';
import { useWayOut } from '../desktop/use-way-out.ts';
import { TerminalTabs } from '../terminal/terminal-tabs.tsx';
import { TerminalView } from '../terminal/terminal-view.tsx';
import '../terminal/terminal.css';
import {
  terminalPath,
  useEndTerminal,
  useOpenTerminal,
  useTerminals,
  type OpeningTerminal,
  type OpenedTerminal,
  type TerminalPlace,
} from '../terminal/use-terminals.ts';
import '../vms/card.css';

/** Terminals of the person's CLI VM, one of them in sight. */
export function TerminalPage(): ReactElement {
  const { vmId, terminalId } = useParams();
  const { terminals, error } = useTerminals();
  const opening = useOpenTerminal();
  const [title, setTitle] = useState<{ id: string; text: string } | null>(null);
  const shown = title !== null && title.id === terminalId ? title.text : '';
  useTitle(shown === '' ? 'Terminal' : shown);
  const focus = useRef<() => void>(() => undefined);
  const head = useRef<HTMLDivElement>(null);
  useWayOut(() => head.current?.querySelector<HTMLElement>('a, button')?.focus());

  const place = placeOf(vmId, terminalId);
  const first = terminals?.[0];
  if (vmId === undefined && first !== undefined) return <Navigate replace to={terminalPath(first)} />;
  return (
    <PageFrame wide>
      <h1 className="hidden-text">Terminal</h1>
      <div ref={head} className="terminal-head">
        {terminals === undefined || terminals.length === 0 ? null : (
          <Tabs terminals={terminals} current={terminalId} />
        )}
        {terminals?.length === 0 && place === null ? null : <NewTerminals opening={opening} />}
      </div>
      {opening.error === null ? null : <Problem error={opening.error} />}
      {error === null ? null : <Problem error={error} />}
      {place !== null ? (
        <TerminalView
          key={`${place.vmId} ${place.id}`}
          terminal={place}
          focus={focus}
          onTitle={(text) => setTitle({ id: place.id, text })}
        />
      ) : terminals === undefined ? (
        error === null ? (
          <p className="muted" role="status">
            Looking for your terminals…
          </p>
        ) : null
      ) : (
        <div className="empty">
          <h2>No terminal is open</h2>
          <p className="muted">
            A terminal runs in your own CLI VM and goes on when you close this page. What you connected is
            signed in there.
          </p>
          <NewTerminals opening={opening} primary />
        </div>
      )}
      {opening.busyWith === undefined ? null : (
        <p className="muted small" role="status">
          Opening… If your CLI VM sleeps or isn’t there yet, it is made ready first.
        </p>
      )}
    </PageFrame>
  );
}

function placeOf(vmId: string | undefined, terminalId: string | undefined): TerminalPlace | null {
  const vm = vmIdSchema.safeParse(vmId);
  const terminal = terminalIdSchema.safeParse(terminalId);
  return vm.success && terminal.success ? { vmId: vm.data, id: terminal.data } : null;
}

/** The tabs; a terminal in which something may run is ended only once that is confirmed. */
function Tabs(props: { terminals: readonly OpenedTerminal[]; current: string | undefined }): ReactElement {
  const { terminals, current } = props;
  const navigate = useNavigate();
  const [asking, setAsking] = useState<OpenedTerminal | null>(null);
  const ending = useEndTerminal((ended) => {
    setAsking(null);
    if (ended !== current) return;
    const other = terminals.find(({ id }) => id !== ended);
    void navigate(other === undefined ? '/terminal' : terminalPath(other));
  });
  return (
    <>
      <TerminalTabs
        terminals={terminals}
        current={current}
        onEnd={({ id }) => {
          const terminal = terminals.find((each) => each.id === id);
          if (terminal?.exitCode === null) setAsking(terminal);
          else if (terminal !== undefined) ending.end(terminal);
        }}
      />
      {ending.error === null ? null : <Problem error={ending.error} />}
      {asking === null ? null : (
        <ConfirmDialog
          title="End this terminal?"
          action="End it"
          busy={false}
          onConfirm={() => ending.end(asking)}
          onClose={() => setAsking(null)}
        >
          <p>All that runs in it ends. To leave it running, just close the page.</p>
        </ConfirmDialog>
      )}
    </>
  );
}

function NewTerminals(props: { opening: OpeningTerminal; primary?: boolean }): ReactElement {
  const { opening, primary = false } = props;
  const { credentials = [] } = useCredentials();
  const busy = opening.busyWith !== undefined;
  return (
    <div className="row">
      <button
        type="button"
        className={`button ${primary ? 'primary' : 'slim'}`}
        disabled={busy}
        onClick={() => opening.open(null)}
      >
        <Icon name="plus" /> New shell
      </button>
      {credentials.map(({ provider }) => (
        <button
          key={provider}
          type="button"
          className={`button ${primary ? '' : 'slim'}`}
          disabled={busy}
          onClick={() => opening.open(provider)}
        >
          <Icon name="plus" /> New {providers[provider].title}
        </button>
      ))}
    </div>
  );
}
