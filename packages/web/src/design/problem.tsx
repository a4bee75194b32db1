import { errorTable, type HearthError } from '@hearth/contract';
import type { ReactElement, ReactNode } from 'react';

/** An error in words: what, why, what to do. */
export function Problem({ error, children }: { error: HearthError; children?: ReactNode }): ReactElement {
  const { title, hint } = errorTable[error.code];
  return (
    <Trouble title={title} detail={error.detail} hint={error.options.hint ?? hint}>
      {children}
    </Trouble>
  );
}

export interface TroubleProps {
  title: string;
  detail: string;
  hint: string;
  children?: ReactNode;
}

/** What stands in an error or in a VM's failure; `detail` may be empty. */
export function Trouble({ title, detail, hint, children }: TroubleProps): ReactElement {
  return (
    <div className="notice bad" role="alert">
      <strong>{title}</strong>
      {detail === '' ? null : <span>{detail}</span>}
      <span className="muted small">
        <Hint text={hint} />
      </span>
      {children}
    </div>
  );
}

/** A hint with its commands (between backticks) set as code. */
export function Hint({ text }: { text: string }): ReactElement {
  return (
    <>{text.split('`').map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</>
  );
}
