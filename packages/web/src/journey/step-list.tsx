import type { ReactElement } from 'react';
import { Icon } from '../design/icon.tsx';
import type { Step, StepState } from './steps.ts';

const spoken: Readonly<Record<StepState, string>> = {
  done: 'done',
  now: 'under way',
  next: 'to come',
  broken: 'not reached',
};

export function StepList({ steps }: { steps: readonly Step[] }): ReactElement {
  return (
    <ol className="steps" aria-label="Steps">
      {steps.map(({ title, state }, index) => (
        <li key={title} className={`step ${state}`} aria-current={state === 'now' ? 'step' : undefined}>
          <span className="step-mark" aria-hidden="true">
            {state === 'done' ? (
              <Icon name="check" />
            ) : state === 'broken' ? (
              <Icon name="close" />
            ) : (
              index + 1
            )}
          </span>
          <span>
            {title}
            <span className="hidden-text">: {spoken[state]}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}
