import { asHearthError } from '@hearth/contract';

/** How a running step tells what it does. */
export interface StepReport {
  /** A stage within the step, with how long it took the last time where that is known. */
  stage(name: string, expectedMs?: number): void;
  /** A remark that stays on the screen. */
  note(text: string): void;
}

export interface Step {
  name: string;
  /** How long it takes where nothing is known of an earlier time. */
  expectedMs: number;
  /** Cheap: says why there is nothing to do, or null where the step must run. */
  isDone(): Promise<string | null>;
  /** Returns what was done, in a few words. */
  run(report: StepReport): Promise<string>;
}

export type StepOutcome =
  | { step: string; state: 'already done'; detail: string; elapsedMs: number }
  | { step: string; state: 'done'; detail: string; elapsedMs: number }
  | { step: string; state: 'failed'; detail: string; elapsedMs: number };

/** Shows steps as they go. */
export interface StepDisplay {
  started(step: string, expectedMs: number): void;
  stage(step: string, stage: string, expectedMs: number | undefined): void;
  note(text: string): void;
  ended(outcome: StepOutcome): void;
}

/** Remembers how long steps take on this machine. */
export interface StepTimes {
  expectedMs(step: string): number | undefined;
  took(step: string, elapsedMs: number): void;
}

/** Runs steps in their order, each only where it is not done yet; the first that fails ends it. */
export async function runSteps(
  steps: readonly Step[],
  display: StepDisplay,
  times: StepTimes,
  now: () => number,
): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  for (const step of steps) {
    const startMs = now();
    const end = (state: StepOutcome['state'], detail: string): void => {
      const outcome: StepOutcome = { step: step.name, state, detail, elapsedMs: Math.round(now() - startMs) };
      outcomes.push(outcome);
      display.ended(outcome);
    };
    try {
      const reason = await step.isDone();
      if (reason !== null) {
        end('already done', reason);
        continue;
      }
      display.started(step.name, times.expectedMs(step.name) ?? step.expectedMs);
      const detail = await step.run({
        stage: (name, expectedMs) => display.stage(step.name, name, expectedMs),
        note: (text) => display.note(text),
      });
      end('done', detail);
      times.took(step.name, now() - startMs);
    } catch (error) {
      end('failed', asHearthError(error).detail);
      throw error;
    }
  }
  return outcomes;
}
