import type { Provider } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Icon } from '../design/icon.tsx';
import { Problem } from '../design/problem.tsx';
import { useOpenTerminal } from './use-terminals.ts';

/** Opens a tool in a terminal of the person's CLI VM. */
export function NewTerminalButton(props: {
  provider: Provider;
  label?: string;
  slim?: boolean;
}): ReactElement {
  const { provider, label = 'Terminal', slim = false } = props;
  const { open, busyWith, error } = useOpenTerminal();
  return (
    <>
      <button
        type="button"
        className={`button ${slim ? 'slim' : ''}`}
        disabled={busyWith !== undefined}
        aria-label={slim ? `Open ${provider.title} in a terminal` : undefined}
        onClick={() => open(provider.id)}
      >
        <Icon name="terminal" /> {busyWith === undefined ? label : 'Opening…'}
      </button>
      {error === null ? null : <Problem error={error} />}
    </>
  );
}
