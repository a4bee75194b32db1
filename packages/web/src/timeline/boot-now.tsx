import type { Vm } from '@hearth/contract';
import { useRef, type ReactElement } from 'react';
import { useTicking } from '../design/use-ticking.ts';
import { formatSpan } from '../vms/age.ts';
import { layOut } from './layout.ts';
import { phaseInWords, phaseUnderWay } from './phase-words.ts';
import { TimelineBars } from './timeline-bars.tsx';
import './timeline.css';

const STEP_MS = 250;

/** The way of a boot, small: what goes on now and how far it is. */
export function BootNow({ vm }: { vm: Vm }): ReactElement {
  const nowMs = useTicking(STEP_MS);
  const elapsedMs = useRef(0);
  elapsedMs.current = Math.max(elapsedMs.current, nowMs - Date.parse(vm.timeline.startedAt));
  const layout = layOut(vm.timeline.phases, vm.state, elapsedMs.current);
  const phase = phaseUnderWay(vm.timeline.phases);
  return (
    <div className="boot-now">
      <TimelineBars layout={layout} />
      <p className="small" role="status">
        {phase === null ? 'Almost there' : phaseInWords(phase, vm.kind)}…
      </p>
      <p className="muted small">{formatSpan(layout.totalMs)}</p>
    </div>
  );
}
