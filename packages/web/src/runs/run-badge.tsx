import type { Run } from '@hearth/contract';
import type { ReactElement } from 'react';
import { runLook, runStateWords } from './run-words.ts';

export function RunBadge({ run: { state } }: { run: Run }): ReactElement {
  return <span className={`badge ${runLook[state]}`}>{runStateWords[state]}</span>;
}
