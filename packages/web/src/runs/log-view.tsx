import { memo, useEffect, useRef, useState, type ReactElement } from 'react';
import { Icon } from '../design/icon.tsx';
import { formatBytes } from '../files/bytes.ts';
import type { LogBlock, LogPage, RunLogView } from './run-log.ts';

/** So close to the end the view follows what comes. */
const NEAR_END_PX = 60;

/** What a run says, as it comes; the end stays in sight unless one scrolled away from it. */
export function LogView({ log, live }: { log: RunLogView; live: boolean }): ReactElement {
  const screen = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  useEffect(() => {
    const element = screen.current;
    if (element !== null && atEnd && live) element.scrollTop = element.scrollHeight;
  }, [log.pages, atEnd, live]);
  return (
    <div className="run-log-place">
      {log.droppedChars === 0 ? null : (
        <p className="muted small">
          The first {formatBytes(log.droppedChars)} are left out here; <code>hearth runs show</code> prints
          all.
        </p>
      )}
      <div
        ref={screen}
        className="run-log"
        role="log"
        // Words that come by pieces can't be spoken as they come.
        aria-live="off"
        aria-busy={live}
        aria-label="Output"
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) =>
          setAtEnd(scrollHeight - scrollTop - clientHeight < NEAR_END_PX)
        }
      >
        {log.pages.map((page) => (
          <PageView key={page.key} page={page} />
        ))}
        {log.pages.length > 0 ? null : <p className="muted">{live ? 'Nothing yet.' : 'It said nothing.'}</p>}
      </div>
      {live && !atEnd ? (
        <button
          type="button"
          className="button slim to-end"
          onClick={() => screen.current?.scrollTo({ top: screen.current.scrollHeight })}
        >
          To the end
        </button>
      ) : null}
    </div>
  );
}

/** Pages that nobody looks at are neither laid out nor painted (`content-visibility`). */
const PageView = memo(function PageView({ page }: { page: LogPage }): ReactElement {
  return (
    <div className="run-log-page">
      {page.blocks.map((block, index) => (
        <BlockView key={index} block={block} />
      ))}
    </div>
  );
});

const BlockView = memo(function BlockView({ block }: { block: LogBlock }): ReactElement {
  if (block.kind === 'text') return <div className="run-text">{block.text}</div>;
  if (block.kind === 'fault')
    return (
      <p className="notice bad small">
        <span>{block.text}</span>
      </p>
    );
  return <ToolView block={block} />;
});

function ToolView({ block }: { block: Extract<LogBlock, { kind: 'tool' }> }): ReactElement {
  const { name, input, headline, output, isError } = block;
  const [open, setOpen] = useState(false);
  const state = output === null ? 'running' : isError ? 'failed' : 'done';
  return (
    <details className={`run-tool ${state}`} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <Icon name={state === 'done' ? 'check' : state === 'failed' ? 'close' : 'refresh'} />
        <strong>{name}</strong> <code className="run-tool-input">{headline}</code>
        <span className="hidden-text">: {state}</span>
      </summary>
      {open ? (
        <>
          {input === '' ? null : <pre aria-label="Input">{input}</pre>}
          {output === null || output === '' ? null : <pre aria-label="Result">{output}</pre>}
        </>
      ) : null}
    </details>
  );
}
