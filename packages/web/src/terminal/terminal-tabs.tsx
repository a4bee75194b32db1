import { providers } from '@hearth/contract';
import type { ReactElement } from 'react';
import { Link } from 'react-router';
import { Icon } from '../design/icon.tsx';
import { terminalPath, type OpenedTerminal, type TerminalPlace } from './use-terminals.ts';

export interface TerminalTabsProps {
  terminals: readonly OpenedTerminal[];
  current: string | undefined;
  onEnd: (terminal: TerminalPlace) => void;
}

/** The open terminals; each can be ended. */
export function TerminalTabs({ terminals, current, onEnd }: TerminalTabsProps): ReactElement {
  return (
    <ul className="terminal-tabs" aria-label="Open terminals">
      {terminals.map((terminal, index) => (
        <li key={terminal.id} className={terminal.id === current ? 'current' : ''}>
          <Link to={terminalPath(terminal)} aria-current={terminal.id === current ? 'page' : undefined}>
            {tabName(terminal, index)}
            {terminal.exitCode === null ? null : <span className="muted small"> ended</span>}
          </Link>
          <button
            type="button"
            className="button quiet slim"
            aria-label={`${terminal.exitCode === null ? 'End' : 'Remove'} ${tabName(terminal, index)}`}
            onClick={() => onEnd(terminal)}
          >
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** What the program calls itself, else the tool or a shell. */
export function tabName({ title, provider }: OpenedTerminal, index: number): string {
  if (title.trim() !== '') return title.trim().slice(0, 40);
  return `${index + 1}: ${provider === null ? 'shell' : providers[provider].title}`;
}
