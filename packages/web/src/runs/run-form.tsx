import {
  DEFAULT_RUN_FOLDER,
  HOME,
  providers,
  runLimits,
  type Credential,
  type ProviderId,
  type Run,
} from '@hearth/contract';
import { useId, useState, type ReactElement, type SubmitEvent } from 'react';
import { Link } from 'react-router';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { useTicking } from '../design/use-ticking.ts';
import { ago } from '../connect/credential-words.ts';
import { conversations } from './conversations.ts';
import { PromptField } from './prompt-field.tsx';
import { useStartRun } from './use-start-run.ts';

export interface RunFormProps {
  credentials: readonly Credential[];
  runs: readonly Run[];
  /** Chosen at first. */
  provider: ProviderId | null;
}

const STEP_MS = 60_000;

/** Orders a run of what is connected. */
export function RunForm({ credentials, runs, provider: wanted }: RunFormProps): ReactElement {
  const connected = credentials.map(({ provider }) => provider);
  const latest = runs.find((run) => connected.includes(run.provider))?.provider;
  const [chosen, choose] = useState<ProviderId | null>(wanted);
  const [prompt, setPrompt] = useState('');
  const [folder, setFolder] = useState('');
  const [conversation, setConversation] = useState('');
  const { start, busy, error } = useStartRun();
  const nowMs = useTicking(STEP_MS);
  const ids = { provider: useId(), folder: useId(), conversation: useId() };
  const provider = [chosen, latest, connected[0]].find((each) => each != null && connected.includes(each));
  if (provider == null)
    return (
      <div className="notice">
        <span>
          Nothing is connected yet. <Link to="/connect">Connect a tool</Link> first; then it runs here.
        </span>
      </div>
    );
  const earlier = conversations(runs, provider);
  const goesOn = earlier.some(({ sessionId }) => sessionId === conversation);
  const wrongFolder = folder.trim() !== '' && !inHome(folder.trim());
  const tooLong = new TextEncoder().encode(prompt).length > runLimits.promptBytes;
  const able = prompt.trim() !== '' && !busy && !wrongFolder && !tooLong;
  const submit = (): void => {
    if (!able) return;
    start({
      provider,
      prompt,
      ...(goesOn ? { sessionId: conversation } : folder.trim() === '' ? {} : { cwd: folder.trim() }),
    });
  };
  return (
    <form
      className="panel run-form"
      aria-label="New run"
      onSubmit={(event: SubmitEvent) => {
        event.preventDefault();
        submit();
      }}
    >
      <PromptField label="Prompt" value={prompt} onChange={setPrompt} onSubmit={submit} />
      {tooLong ? (
        <p className="bad-text small" role="alert">
          A prompt has at most {runLimits.promptBytes / 1024} KiB. Put longer texts into a file of its folder.
        </p>
      ) : null}
      <div className="run-choices">
        <div className="field">
          <label htmlFor={ids.provider}>Tool</label>
          <select
            id={ids.provider}
            className="input"
            value={provider}
            onChange={({ currentTarget }) => {
              choose(connected.find((each) => each === currentTarget.value) ?? null);
              setConversation('');
            }}
          >
            {connected.map((each) => (
              <option key={each} value={each}>
                {providers[each].title}
              </option>
            ))}
          </select>
        </div>
        <div className="field">
          <label htmlFor={ids.conversation}>Conversation</label>
          <select
            id={ids.conversation}
            className="input"
            value={goesOn ? conversation : ''}
            onChange={({ currentTarget }) => setConversation(currentTarget.value)}
          >
            <option value="">A new one</option>
            {earlier.map((run) => (
              <option key={run.sessionId} value={run.sessionId}>
                {run.prompt.slice(0, 60)} · {ago(run.createdAt, nowMs)}
              </option>
            ))}
          </select>
        </div>
        <div className="field">
          <label htmlFor={ids.folder}>Folder</label>
          <input
            id={ids.folder}
            className="input code-input"
            spellCheck={false}
            autoCapitalize="off"
            placeholder={goesOn ? 'as before' : DEFAULT_RUN_FOLDER}
            disabled={goesOn}
            aria-invalid={wrongFolder}
            value={goesOn ? '' : folder}
            onChange={({ currentTarget }) => setFolder(currentTarget.value)}
          />
        </div>
      </div>
      {wrongFolder && !goesOn ? (
        <p className="bad-text small" role="alert">
          The folder must be inside {HOME}.
        </p>
      ) : null}
      {error === null ? null : <Problem error={error} />}
      <div className="row">
        <span className="muted small">Ctrl+Enter runs it</span>
        <button type="submit" className="button primary push" disabled={!able}>
          <Icon name="run" /> {busy ? 'Starting…' : 'Run'}
        </button>
      </div>
    </form>
  );
}

/** A first look; the server decides. */
const inHome = (folder: string): boolean =>
  (folder === HOME || folder.startsWith(`${HOME}/`)) && !folder.split('/').includes('..');
