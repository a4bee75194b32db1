import type { ReactElement } from 'react';
import type { TimelineLayout } from './layout.ts';

const ROW = 8;
const WIDTH = 1000;

/** The bars alone, as steps; for the eye only, words stand beside it. */
export function TimelineBars({ layout }: { layout: TimelineLayout }): ReactElement {
  const { bars, rows, axisMs } = layout;
  return (
    <svg
      className="timeline-bars"
      viewBox={`0 0 ${WIDTH} ${rows * ROW}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {bars.map(({ phase, fromMs, toMs, state }, index) => (
        <rect
          key={phase}
          className={`bar ${state}`}
          x={(fromMs / axisMs) * WIDTH}
          y={index * ROW + 1}
          width={Math.max(6, ((toMs - fromMs) / axisMs) * WIDTH)}
          height={ROW - 2}
          rx="2"
        />
      ))}
    </svg>
  );
}
