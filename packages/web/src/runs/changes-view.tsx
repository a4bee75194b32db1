import { asHearthError, runChangesSchema, type Run } from '@hearth/contract';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState, type ReactElement } from 'react';
import type { z } from 'zod';
import { call } from '../api/request.ts';
import { Problem } from '../design/problem.tsx';
import { countLines, diffLines } from './diff-lines.ts';

type Change = z.infer<typeof runChangesSchema>['changes'][number];

const changeWords: Readonly<Record<Change['change'], string>> = {
  added: 'new',
  changed: 'changed',
  removed: 'removed',
};

/** Files of its folder that a run changed, each with its diff. */
export function ChangesView({ run }: { run: Run }): ReactElement | null {
  const some = run.changes !== null && run.changes.length > 0;
  const read = useQuery({
    queryKey: ['run-changes', run.id],
    queryFn: ({ signal }) => call('GET', runChangesSchema, `/api/runs/${run.id}/changes`, { signal }),
    enabled: some,
    staleTime: Infinity,
  });
  if (!some) return null;
  return (
    <section className="panel" aria-labelledby="changes-heading">
      <div className="panel-head">
        <h2 id="changes-heading">Changed files</h2>
        <span className="muted small">
          in <code>{run.cwd}</code>
        </span>
      </div>
      {read.error === null ? null : <Problem error={asHearthError(read.error)} />}
      {read.data?.truncated === true ? (
        <p className="notice warn small">The folder holds more than could be compared: this is not all.</p>
      ) : null}
      <ul className="stack tight">
        {read.data?.changes.map((change, index) => (
          <ChangedFile key={change.path} change={change} openAtFirst={index === 0} />
        ))}
      </ul>
    </section>
  );
}

function ChangedFile({ change, openAtFirst }: { change: Change; openAtFirst: boolean }): ReactElement {
  const { path, diff } = change;
  const [open, setOpen] = useState(openAtFirst);
  const lines = useMemo(() => (diff === null ? null : diffLines(diff)), [diff]);
  const { added, removed } = countLines(lines ?? []);
  return (
    <li>
      <details
        className="changed-file"
        open={open}
        onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
      >
        <summary>
          <code>{path}</code>
          <span className="muted small">{changeWords[change.change]}</span>
          {lines === null ? null : (
            <span className="small push">
              <span className="plus">+{added}</span> <span className="minus">−{removed}</span>
            </span>
          )}
        </summary>
        {!open ? null : lines === null ? (
          <p className="muted small">It is binary or too large to be compared.</p>
        ) : (
          <pre className="diff" tabIndex={0} aria-label={`Diff of ${path}`}>
            {lines.map(({ kind, text }, index) => (
              <span key={index} className={kind}>
                {text}
                {'\n'}
              </span>
            ))}
          </pre>
        )}
      </details>
    </li>
  );
}
