import { useEffect, useId, useState, type ReactElement } from 'react';
import { CopyButton } from '../design/copy-button.tsx';
import { browserClipboard, type SharedClipboard } from './use-clipboard.ts';

export interface ClipboardPanelProps {
  clipboard: SharedClipboard;
  share: boolean;
  onShare: (share: boolean) => void;
  disabled: boolean;
}

/** A plain field for both ways, and the switch that makes it superfluous where the browser allows that. */
export function ClipboardPanel({ clipboard, share, onShare, disabled }: ClipboardPanelProps): ReactElement {
  const [text, setText] = useState(clipboard.text);
  const [said, setSaid] = useState<{ text: string; bad: boolean } | null>(null);
  const fieldId = useId();
  const possible = browserClipboard() !== null;
  useEffect(() => setText(clipboard.text), [clipboard.text]);
  const send = (): void => {
    const refused = clipboard.send(text);
    setSaid(
      refused === null
        ? { text: 'It is on the desktop’s clipboard: paste it there with Ctrl+V.', bad: false }
        : { text: refused, bad: true },
    );
  };
  return (
    <>
      <div className="field">
        <label htmlFor={fieldId} className="small">
          What you copy on the desktop appears here; what you paste here goes there.
        </label>
        <textarea
          id={fieldId}
          className="input"
          rows={5}
          spellCheck={false}
          disabled={disabled}
          value={text}
          onChange={({ currentTarget }) => {
            setText(currentTarget.value);
            setSaid(null);
          }}
        />
      </div>
      <div className="row">
        <button type="button" className="button slim primary" disabled={disabled} onClick={send}>
          Put on the desktop
        </button>
        <CopyButton text={() => text} label="Copy to here" />
      </div>
      <div aria-live="polite">
        {said === null ? null : <p className={`notice small ${said.bad ? 'bad' : ''}`}>{said.text}</p>}
      </div>
      <label className="choice">
        <input
          type="checkbox"
          checked={share && possible}
          disabled={!possible}
          onChange={({ currentTarget }) => onShare(currentTarget.checked)}
        />
        <span>
          Share both clipboards
          <span className="muted small block">
            {possible
              ? 'Your clipboard goes to the desktop whenever you come to this page.'
              : 'This browser allows it only over https or on this machine; the field above works everywhere.'}
          </span>
        </span>
      </label>
      {disabled ? (
        <p className="notice warn small">You are watching: the clipboard is with whoever controls.</p>
      ) : null}
    </>
  );
}
