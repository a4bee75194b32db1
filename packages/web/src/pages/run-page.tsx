import { asHearthError, providers, runSchema, type Run } from '@hearth/contract';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactElement } from 'react';
import { Link, useParams } from 'react-router';
import { call } from '../api/request.ts';
import { useStartSignin } from '../connect/use-start-signin.ts';
import { Icon } from '../design/icon.tsx';
import { PageFrame } from '../design/page-frame.tsx';
import { Problem, Trouble } from '../design/problem.tsx';
import { useTicking } from '../design/use-ticking.ts';
import { useTitle } from '../design/use-title.ts';
import { ChangesView } from '../runs/changes-view.tsx';
import { LogView } from '../runs/log-view.tsx';
import { PromptField } from '../runs/prompt-field.tsx';
import { RunBadge } from '../runs/run-badge.tsx';
import { isRunOver, waitingWords } from '../runs/run-words.ts';
import '../runs/runs.css';
import { useRun, useRunLog } from '../runs/use-run.ts';
import { useStartRun } from '../runs/use-start-run.ts';
import { formatSpan } from '../vms/age.ts';
import '../vms/card.css';

/** One run: what was asked, what it says, what it changed, and how to go on. */
export function RunPage(): ReactElement {
  const { id = '' } = useParams();
  return <OneRun key={id} id={id} />;
}

function OneRun({ id }: { id: string }): ReactElement {
  const { run, error } = useRun(id);
  useTitle(run === undefined ? 'Run' : run.prompt.slice(0, 60));
  return (
    <PageFrame>
      <p className="small">
        <Link to="/runs">← Runs</Link>
      </p>
      {run === undefined ? (
        error === null ? (
          <p className="muted" role="status">
            Looking for the run…
          </p>
        ) : (
          <>
            <h1>This run can’t be shown</h1>
            <Problem error={error} />
          </>
        )
      ) : (
        <RunDetails run={run} />
      )}
    </PageFrame>
  );
}

function RunDetails({ run }: { run: Run }): ReactElement {
  const { title } = providers[run.provider];
  const { log, refused } = useRunLog(run.id);
  const waiting = waitingWords(run);
  const usage = run.usage ?? log.usage;
  return (
    <>
      <div className="page-head">
        <h1>{title}</h1>
        <span role="status">
          <RunBadge run={run} />
        </span>
        <Duration run={run} />
        <div className="row push">{isRunOver(run) ? null : <CancelButton run={run} />}</div>
      </div>
      <blockquote className="run-prompt" aria-label="Prompt">
        {run.prompt}
      </blockquote>
      {waiting === null ? null : (
        <p className={`notice ${run.state === 'paused' ? 'warn' : ''}`} role="status">
          <span>{waiting}</span>
        </p>
      )}
      {log.needsLogin !== null || run.state === 'paused' ? (
        <NeedsLogin run={run} words={log.needsLogin} />
      ) : null}
      {run.failure === null || (run.failure.code === 'needs_login' && log.needsLogin !== null) ? null : (
        <Trouble {...run.failure} />
      )}
      {refused === null ? null : <Problem error={refused} />}
      <LogView log={log} live={!isRunOver(run)} />
      <p className="muted small">
        <code>{run.cwd}</code>
        {run.model === null ? null : ` · ${run.model}`}
        {usage === null
          ? null
          : ` · ${usage.inputTokens.toLocaleString('en')} tokens in, ${usage.outputTokens.toLocaleString('en')} out`}
        {run.exitCode === null ? null : ` · exit code ${run.exitCode}`}
        {run.vmId === null ? null : (
          <>
            {' · '}
            <Link to={`/vms/${run.vmId}`}>{run.vmId}</Link>
          </>
        )}
      </p>
      <ChangesView run={run} />
      {isRunOver(run) && run.sessionId !== null ? <GoOn run={run} sessionId={run.sessionId} /> : null}
    </>
  );
}

const STEP_MS = 1000;

function Duration({ run: { startedAt, endedAt } }: { run: Run }): ReactElement | null {
  const nowMs = useTicking(STEP_MS, startedAt !== null && endedAt === null);
  if (startedAt === null) return null;
  const ms = Math.max(0, (endedAt === null ? nowMs : Date.parse(endedAt)) - Date.parse(startedAt));
  return (
    <span className="muted small">{formatSpan(endedAt === null ? Math.floor(ms / 1000) * 1000 : ms)}</span>
  );
}

function CancelButton({ run }: { run: Run }): ReactElement {
  const queries = useQueryClient();
  const cancelling = useMutation({
    mutationFn: () => call('POST', runSchema, `/api/runs/${run.id}/cancel`),
    onSuccess: (now) => queries.setQueryData<Run>(['run', run.id], now),
  });
  return (
    <>
      {cancelling.error === null ? null : (
        <span className="bad-text small" role="alert">
          {asHearthError(cancelling.error).message}
        </span>
      )}
      <button
        type="button"
        className="button"
        disabled={cancelling.isPending}
        onClick={() => cancelling.mutate()}
      >
        <Icon name="stop" /> {cancelling.isPending ? 'Cancelling…' : 'Cancel'}
      </button>
    </>
  );
}

/** The tool wants a sign-in: its words, and the button that leads there. */
function NeedsLogin({ run, words }: { run: Run; words: string | null }): ReactElement {
  const { title } = providers[run.provider];
  const { start, busy, error } = useStartSignin();
  return (
    <div className="notice warn" role="alert">
      <strong>{title} wants you to sign in</strong>
      {words === null ? null : <span>{words}</span>}
      <div className="row">
        <button
          type="button"
          className="button slim primary"
          disabled={busy}
          onClick={() => start(run.provider)}
        >
          {busy ? 'Starting…' : 'Sign in'}
        </button>
        <Link className="button slim" to={`/connect?key=${run.provider}`}>
          Use an API key
        </Link>
      </div>
      {error === null ? null : <Problem error={error} />}
    </div>
  );
}

function GoOn({ run, sessionId }: { run: Run; sessionId: string }): ReactElement {
  const [prompt, setPrompt] = useState('');
  const { start, busy, error } = useStartRun();
  const submit = (): void => {
    if (prompt.trim() !== '' && !busy) start({ provider: run.provider, prompt, sessionId });
  };
  return (
    <form
      className="panel"
      aria-label="Continue this conversation"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <PromptField
        label="Continue this conversation"
        rows={3}
        value={prompt}
        onChange={setPrompt}
        onSubmit={submit}
      />
      {error === null ? null : <Problem error={error} />}
      <div className="row">
        <button type="submit" className="button primary push" disabled={busy || prompt.trim() === ''}>
          <Icon name="run" /> {busy ? 'Starting…' : 'Continue'}
        </button>
      </div>
    </form>
  );
}
