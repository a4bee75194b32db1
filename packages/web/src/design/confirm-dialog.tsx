import { useEffect, useId, useRef, type ReactElement, type ReactNode } from 'react';

export interface ConfirmDialogProps {
  title: string;
  /** Name of the button that does it. */
  action: string;
  /** Name of the button that doesn't. */
  keep?: string;
  busy: boolean;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** Asks before something that can't be undone; Escape and the first button leave everything as it is. */
export function ConfirmDialog(props: ConfirmDialogProps): ReactElement {
  const { title, action, keep = 'Keep it', busy, onConfirm, onClose, children } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const headingId = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={headingId} onClose={onClose}>
      <div className="confirm">
        <h2 id={headingId}>{title}</h2>
        {children}
        <div className="row">
          <button type="button" className="button push" onClick={() => dialog.current?.close()}>
            {keep}
          </button>
          <button type="button" className="button danger primary" disabled={busy} onClick={onConfirm}>
            {action}
          </button>
        </div>
      </div>
    </dialog>
  );
}
