import type { StepDisplay, StepOutcome } from '../setup/steps.ts';
import { formatDuration } from './duration.ts';
import type { Output } from './output.ts';

const BAR_COLUMNS = 20;
const REDRAW_MS = 250;
const ERASE_LINE = '\r\u001b[2K';

/** Moving lines on a terminal, one line per change elsewhere, JSON lines for programs. */
export function makeStepDisplay(out: Output, now: () => number): StepDisplay & { stop(): void } {
  if (out.json) return jsonDisplay(out);
  let current:
    { step: string; stage: string; startMs: number; stageMs: number; expectedMs: number } | undefined;
  const draw = (): void => {
    if (current !== undefined) out.raw(ERASE_LINE + renderRunning(current, now(), out));
  };
  const timer = out.live ? setInterval(draw, REDRAW_MS) : undefined;
  timer?.unref();
  const print = (text: string): void => out.raw(`${out.live ? ERASE_LINE : ''}${text}\n`);
  return {
    started: (step, expectedMs) => {
      current = { step, stage: '', startMs: now(), stageMs: now(), expectedMs };
      if (out.live) draw();
      else print(`${step}… (about ${formatDuration(expectedMs)})`);
    },
    stage: (step, stage, expectedMs) => {
      if (current !== undefined) current = { ...current, stage, stageMs: now() };
      if (out.live) draw();
      else
        print(`${step}: ${stage}${expectedMs === undefined ? '' : ` (about ${formatDuration(expectedMs)})`}`);
    },
    note: print,
    ended: (outcome) => {
      current = undefined;
      print(renderEnded(outcome, out));
    },
    stop: () => clearInterval(timer),
  };
}

function renderEnded({ step, state, detail, elapsedMs }: StepOutcome, { paint }: Output): string {
  const time = paint.dim(elapsedMs < 100 ? '' : ` · ${formatDuration(elapsedMs)}`);
  switch (state) {
    case 'already done':
      return `${paint.dim('✓')} ${paint.dim(`${step}: ${detail}`)}`;
    case 'done':
      return `${paint.good('✓')} ${step}: ${detail}${time}`;
    case 'failed':
      return `${paint.bad('✗')} ${step}${time}`;
  }
}

interface Running {
  step: string;
  stage: string;
  startMs: number;
  expectedMs: number;
}

/** One line that fits the terminal: a line that wraps can't be erased. */
export function renderRunning(
  { step, stage, startMs, expectedMs }: Running,
  nowMs: number,
  { paint, columns }: Pick<Output, 'paint' | 'columns'>,
): string {
  const elapsedMs = nowMs - startMs;
  // Never full before it is done, however long it takes.
  const share = Math.min(0.97, elapsedMs / Math.max(1, expectedMs));
  const filled = Math.round(share * BAR_COLUMNS);
  const time = `${formatDuration(elapsedMs)} of about ${formatDuration(expectedMs)}`;
  const words = stage === '' ? step : `${step}: ${stage}`;
  const room = Math.max(10, columns - BAR_COLUMNS - time.length - 6);
  const fitting = words.length > room ? `${words.slice(0, room - 1)}…` : words;
  return `${paint.accent('█'.repeat(filled))}${paint.dim('░'.repeat(BAR_COLUMNS - filled))} ${fitting} ${paint.dim(time)}`;
}

function jsonDisplay(out: Output): StepDisplay & { stop(): void } {
  return {
    started: (step, expectedMs) => out.value({ type: 'started', step, expectedMs }),
    stage: (step, stage, expectedMs) => out.value({ type: 'stage', step, stage, expectedMs }),
    note: (text) => out.value({ type: 'note', text }),
    ended: (outcome) => out.value({ type: 'step', ...outcome }),
    stop: () => undefined,
  };
}
