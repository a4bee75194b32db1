import { asHearthError, downloadListSchema, errorTable } from '@hearth/contract';
import { useQuery } from '@tanstack/react-query';
import { useRef, type ReactElement } from 'react';
import { call } from '../api/request.ts';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { useTicking } from '../design/use-ticking.ts';
import { formatAge } from '../vms/age.ts';
import { formatBytes } from './bytes.ts';
import type { Upload, Uploads } from './use-uploads.ts';

/** What the guest saves is not told by itself. */
const REFRESH_MS = 15_000;
const AGE_STEP_MS = 10_000;

export function FilesPanel({ vmId, uploads }: { vmId: string; uploads: Uploads }): ReactElement {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <>
      <div className="row">
        <button type="button" className="button slim primary" onClick={() => picker.current?.click()}>
          <Icon name="plus" /> Send files
        </button>
        <span className="muted small">or drop them anywhere on this page</span>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={({ currentTarget }) => {
            uploads.add(currentTarget.files ?? []);
            currentTarget.value = '';
          }}
        />
      </div>
      <Sent uploads={uploads} />
      <Downloads vmId={vmId} />
    </>
  );
}

function Sent({ uploads: { uploads, stop, clear } }: { uploads: Uploads }): ReactElement | null {
  if (uploads.length === 0) return null;
  return (
    <div className="field">
      <ul className="file-list" aria-label="Files being sent">
        {uploads.map((upload) => (
          <SentFile key={upload.id} upload={upload} onStop={() => stop(upload.id)} />
        ))}
      </ul>
      {uploads.some(({ state }) => state === 'done' || state === 'failed') ? (
        <span>
          <button type="button" className="button quiet slim" onClick={clear}>
            Clear this list
          </button>
        </span>
      ) : null}
    </div>
  );
}

function SentFile({ upload, onStop }: { upload: Upload; onStop: () => void }): ReactElement {
  const { name, bytes, sentBytes, state, savedAs, error } = upload;
  return (
    <li>
      <span className="file-name">{name}</span>
      {state === 'sending' || state === 'waiting' ? (
        <>
          <progress max={Math.max(1, bytes)} value={sentBytes} aria-label={`${name}: sent`} />
          <span className="muted small">
            {state === 'waiting' ? 'waits' : `${formatBytes(sentBytes)} of ${formatBytes(bytes)}`}
          </span>
          <button
            type="button"
            className="button quiet slim"
            aria-label={`Stop sending ${name}`}
            onClick={onStop}
          >
            <Icon name="close" />
          </button>
        </>
      ) : state === 'done' ? (
        <span className="muted small" role="status">
          {savedAs === null || savedAs === name ? 'sent' : `sent, as ${savedAs}`}
        </span>
      ) : error === null ? null : (
        <span className="bad-text small" role="alert">
          {error.code === 'aborted'
            ? 'stopped'
            : `${errorTable[error.code].title}: ${error.detail}. ${error.options.hint ?? errorTable[error.code].hint}`}
        </span>
      )}
    </li>
  );
}

function Downloads({ vmId }: { vmId: string }): ReactElement {
  const nowMs = useTicking(AGE_STEP_MS);
  const folder = `/api/vms/${encodeURIComponent(vmId)}/desktop/downloads`;
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ['downloads', vmId],
    queryFn: ({ signal }) => call('GET', downloadListSchema, folder, { signal }),
    refetchInterval: REFRESH_MS,
  });
  return (
    <div className="field">
      <div className="row">
        <h3 className="small">The desktop’s Downloads</h3>
        <button
          type="button"
          className="button quiet slim push"
          aria-label="Look again"
          disabled={isFetching}
          onClick={() => void refetch()}
        >
          <Icon name="refresh" />
        </button>
      </div>
      {error === null ? null : <Problem error={asHearthError(error)} />}
      {data === undefined ? null : data.files.length === 0 ? (
        <p className="muted small">Nothing there yet. What the desktop’s browser saves appears here.</p>
      ) : (
        <ul className="file-list">
          {data.files.map(({ name, bytes, modifiedAt }) => (
            <li key={name}>
              <a className="file-name" href={`${folder}/${encodeURIComponent(name)}`} download={name}>
                {name}
              </a>
              <span className="muted small">
                {formatBytes(bytes)} · {formatAge(modifiedAt, nowMs)}
              </span>
            </li>
          ))}
        </ul>
      )}
      {data?.truncated === true ? <p className="muted small">There are more than are shown.</p> : null}
    </div>
  );
}
