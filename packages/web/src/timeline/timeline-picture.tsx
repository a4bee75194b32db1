import { splitPhases, type BootPhase, type PhaseMark, type Vm } from '@hearth/contract';
import type { ReactElement } from 'react';
import { useTicking } from '../design/use-ticking.ts';
import { useWidth } from '../design/use-width.ts';
import { formatSpan } from '../vms/age.ts';
import { isBooting, originInWords } from '../vms/state-words.ts';
import { layOut, type Bar } from './layout.ts';
import { phaseInWords, phaseLabel } from './phase-words.ts';
import { useElapsed } from './use-elapsed.ts';
import './timeline.css';

const STEP_MS = 100;
/** In pixels: the drawing is as wide as its place, so that its words are never scaled. */
const FIRST_WIDTH = 640;
const LABEL_WIDTH = 78;
const VALUE_WIDTH = 84;
/** Room for the words of a mark on the axis. */
const TICK_WIDTH = 56;
const ROW = 26;
const BAR = 14;
const AXIS = 24;

/** The phases of the last start as bars on a time axis, growing while it goes on; a table says the same in words. */
export function TimelinePicture({ vm }: { vm: Vm }): ReactElement {
  const live = isBooting(vm);
  const nowMs = useTicking(STEP_MS, live);
  const elapsedMs = useElapsed(vm.timeline.startedAt, nowMs);
  const { bars, rows, axisMs, ticksMs, totalMs } = layOut(vm, elapsedMs);
  const [figure, width] = useWidth<HTMLElement>(FIRST_WIDTH);
  const span = Math.max(80, width - LABEL_WIDTH - VALUE_WIDTH);
  const x = (ms: number): number => LABEL_WIDTH + (ms / axisMs) * span;
  const height = rows * ROW + AXIS;
  const current = bars.at(-1);
  const [, stepMs = axisMs] = ticksMs;
  const every = Math.max(1, Math.ceil(TICK_WIDTH / (x(stepMs) - x(0))));
  return (
    <figure ref={figure} className="timeline">
      <figcaption className="row">
        <span role="status">{inWords(vm, current)}</span>
        <span className="push muted">{totalMs === 0 ? '' : formatSpan(totalMs)}</span>
      </figcaption>
      <svg width={width} height={height} aria-hidden="true">
        {ticksMs
          .filter((_, index) => index % every === 0)
          .map((ms) => (
            <g key={ms}>
              <line className="grid" x1={x(ms)} x2={x(ms)} y1={0} y2={rows * ROW} />
              <text className="tick" x={x(ms)} y={height - 6} textAnchor="middle">
                {tickLabel(ms)}
              </text>
            </g>
          ))}
        {bars.map(({ phase, fromMs, toMs, state }, index) => {
          const long = Math.max(3, x(toMs) - x(fromMs));
          const y = index * ROW;
          return (
            <g key={phase}>
              <text className="label" x={LABEL_WIDTH - 10} y={y + 17} textAnchor="end">
                {phaseLabel(phase)}
              </text>
              <rect
                className={`bar ${state}`}
                x={x(fromMs)}
                y={y + (ROW - BAR) / 2}
                width={long}
                height={BAR}
                rx="4"
              />
              <text className="value" x={Math.min(x(fromMs) + long + 7, width - VALUE_WIDTH + 7)} y={y + 17}>
                {state === 'broken' ? 'not reached' : formatSpan(toMs - fromMs)}
              </text>
            </g>
          );
        })}
      </svg>
      <table className="hidden-text">
        <caption>Phases of the start</caption>
        <thead>
          <tr>
            <th>Phase</th>
            <th>Took</th>
            <th>Reached after</th>
          </tr>
        </thead>
        <tbody>
          {bars.map(({ phase, fromMs, toMs, state }) => (
            <tr key={phase}>
              <th scope="row">{phaseLabel(phase)}</th>
              <td>
                {state === 'done'
                  ? formatSpan(toMs - fromMs)
                  : state === 'running'
                    ? 'under way'
                    : 'not reached'}
              </td>
              <td>{state === 'done' ? formatSpan(toMs) : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Later marks={vm.timeline.phases} />
    </figure>
  );
}

/** What came when someone looked. */
function Later({ marks }: { marks: readonly PhaseMark[] }): ReactElement | null {
  const { later } = splitPhases(marks);
  const at = (wanted: BootPhase): number | undefined => later.find(({ phase }) => phase === wanted)?.atMs;
  const thawMs = at('thaw');
  const frameMs = at('first_frame');
  if (thawMs === undefined && frameMs === undefined) return null;
  return (
    <p className="muted small">
      {thawMs === undefined ? null : `Its browser ran on after ${formatSpan(thawMs)}. `}
      {frameMs === undefined ? null : `The first picture was sent after ${formatSpan(frameMs)}.`}
    </p>
  );
}

function inWords(vm: Vm, last: Bar | undefined): string {
  if (vm.timeline.phases.some(({ phase }) => phase === 'taken')) return 'It was waiting, ready';
  if (last === undefined) return vm.hibernatedAt === null ? 'It has not begun to start' : 'It sleeps';
  if (last.state === 'running') return `${phaseInWords(last.phase, vm)}…`;
  if (last.state === 'broken') return `It failed at: ${phaseInWords(last.phase, vm)}`;
  if (last.phase === 'ready')
    return `It became ready${vm.origin === null ? '' : `, from ${originInWords(vm)}`}`;
  return `It got as far as: ${phaseLabel(last.phase)}`;
}

const tickLabel = (ms: number): string =>
  ms === 0 ? '0' : ms < 1000 ? `${Math.round(ms)} ms` : `${Number((ms / 1000).toFixed(1))} s`;
