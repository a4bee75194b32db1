import type { Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { useTicking } from '../design/use-ticking.ts';
import { formatSpan } from '../vms/age.ts';
import { layOut } from './layout.ts';
import { phaseInWords, phaseUnderWay } from './phase-words.ts';
import { TimelineBars } from './timeline-bars.tsx';
import { useElapsed } from './use-elapsed.ts';
import './timeline.css';

const STEP_MS = 250;

/** The way of a boot, small: what goes on now and how far it is. */
export function BootNow({ vm }: { vm: Vm }): ReactElement {
  const nowMs = useTicking(STEP_MS);
  const elapsedMs = useElapsed(vm.timeline.startedAt, nowMs);
  const layout = layOut(vm, elapsedMs);
  const phase = phaseUnderWay(vm);
  return (
    <div className="boot-now">
      <TimelineBars layout={layout} />
      <p className="small" role="status">
        {phase === null ? 'Almost there' : phaseInWords(phase, vm)}…
      </p>
      <p className="muted small">{formatSpan(layout.totalMs)}</p>
    </div>
  );
}
