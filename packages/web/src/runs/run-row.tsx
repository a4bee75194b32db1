import { providers, type Run } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { ago } from '../connect/credential-words.ts';
import { RunBadge } from './run-badge.tsx';
import { waitingWords } from './run-words.ts';

/** One run in a list. */
export function RunRow({ run, nowMs }: { run: Run; nowMs: number }): ReactElement {
  const waiting = waitingWords(run);
  return (
    <li className="run-row">
      <Link to={`/runs/${run.id}`} className="run-row-prompt">
        {run.prompt}
      </Link>
      <RunBadge run={run} />
      <p className="muted small">
        {providers[run.provider].title} · <time dateTime={run.createdAt}>{ago(run.createdAt, nowMs)}</time>
        {run.changes === null || run.changes.length === 0
          ? null
          : ` · ${run.changes.length} ${run.changes.length === 1 ? 'file' : 'files'} changed`}
        {waiting === null ? null : ` · ${waiting}`}
        {run.failure === null ? null : ` · ${run.failure.title}`}
      </p>
    </li>
  );
}
