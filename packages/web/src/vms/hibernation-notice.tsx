import type { Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { useTicking } from '../design/use-ticking.ts';
import { hibernationWords } from './hibernation-words.ts';

const STEP_MS = 60_000;

/** Since when a VM sleeps and until when it is kept: quiet at first, a warning in its last days. */
export function HibernationNotice({ vm }: { vm: Vm }): ReactElement | null {
  const nowMs = useTicking(STEP_MS);
  const words = hibernationWords(vm, nowMs);
  if (words === null) return null;
  if (words.warning === null) return <p className="muted small">{words.text}</p>;
  return (
    <div className="notice warn" role="status">
      <strong>{words.warning}</strong>
      <span className="small">{words.text}</span>
    </div>
  );
}
