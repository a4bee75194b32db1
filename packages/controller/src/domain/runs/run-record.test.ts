import {
  runStates,
  terminalRunStates,
  type GuestRunLine,
  type RunId,
  type UserId,
  type VmId,
} from '@hearth/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takeLines } from './guest-output.ts';
import { outcomeOf, verdictOf } from './outcome.ts';
import { advance, end, isEnded, newRun, sent, type RunRecord } from './run-record.ts';
import { runStateTable, runSteps } from './state-table.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const fresh = (): RunRecord =>
  newRun({
    id: 'run-000000000000' as RunId,
    userId: 'usr-000000000000' as UserId,
    provider: 'claude_code',
    prompt: 'p'.repeat(1000),
    continues: null,
    model: null,
    cwd: '/home/hearth/work',
    wantedVmId: null,
    timeoutMs: 60_000,
    requestId: 'request-1',
    paused: false,
    now: NOW,
  });
const VM = 'vm-000000000000' as VmId;
const running = (): RunRecord => {
  const change = sent({ ...fresh(), state: 'starting' }, VM, NOW);
  if (change === null) throw new Error('it did not start');
  return change.run;
};
const out = (seq: number, value: unknown): GuestRunLine => ({
  seq,
  type: 'line',
  stream: 'stdout',
  text: typeof value === 'string' ? value : JSON.stringify(value),
});
const result = (isError: boolean) => ({
  type: 'result',
  subtype: 'success',
  is_error: isError,
  result: 'words',
});
const exit = (
  seq: number,
  exitCode: number,
  by: 'itself' | 'timeout' | 'cancel' = 'itself',
): GuestRunLine => ({
  seq,
  type: 'exit',
  exitCode,
  by,
  durationMs: 1,
});

describe('run state table', () => {
  it('lists only known states and steps; from each state an end can be reached', () => {
    expect(Object.keys(runStateTable).toSorted()).toEqual([...runStates].toSorted());
    for (const [state, row] of Object.entries(runStateTable)) {
      for (const [step, next] of Object.entries(row)) {
        expect(runSteps).toContain(step);
        expect(runStates).toContain(next);
      }
      if (!terminalRunStates.includes(state as never)) expect(row.cancelled, state).toBe('cancelled');
    }
  });

  it('F22: a terminal state never changes, its last event is the only one of its kind, seq has no gap', () => {
    const step = fc.constantFrom(...runSteps);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let run = fresh();
        const events: { seq: number; type: string }[] = [];
        for (const one of steps) {
          const change =
            one === 'sent'
              ? sent(run, VM, NOW)
              : one === 'succeeded' || one === 'failed' || one === 'cancelled' || one === 'timed_out'
                ? end(run, one, null, NOW)
                : { run: advance(run, one), events: [] };
          if (change?.run == null) continue;
          expect(isEnded(run)).toBe(false);
          expect(change.run.version).toBe(run.version + 1);
          run = change.run;
          events.push(...change.events);
        }
        expect(events.map(({ seq }) => seq)).toEqual([...events.keys()]);
        expect(run.events).toBe(events.length);
        const last = events.filter(({ type }) => type === 'done' || type === 'error');
        expect(last).toHaveLength(isEnded(run) ? 1 : 0);
        if (isEnded(run)) expect(events.at(-1)).toBe(last[0]);
        expect(run.endedAt === null).toBe(!isEnded(run));
      }),
      { numRuns: 500 },
    );
  });

  it('shows the beginning of the prompt only', () => {
    expect(fresh().prompt).toHaveLength(400);
  });
});

describe('output of a run', () => {
  it('comes to the same however its lines are cut into pieces, and repeated', () => {
    const lines: GuestRunLine[] = [
      out(0, { type: 'system', subtype: 'init', session_id: 'conversation', model: 'm' }),
      { seq: 1, type: 'line', stream: 'stderr', text: 'a warning' },
      out(2, 'not json'),
      out(3, {
        type: 'stream_event',
        event: { type: 'content_block_delta', delta: { type: 'text_delta', text: 'hi' } },
      }),
      { seq: 4, type: 'dropped', bytes: 10 },
      out(5, ''),
      out(6, result(false)),
      exit(7, 0),
    ];
    const whole = takeLines(running(), lines, NOW);
    expect(whole.run).toMatchObject({ sessionId: 'conversation', stderrTail: 'a warning\n', exitCode: 0 });
    // Each of the tool's events comes with one of ours.
    expect(whole.events.filter((event) => 'raw' in event)).toHaveLength(5);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(7), fc.nat(8)), { maxLength: 8 }), (cuts) => {
        let run = running();
        const events = [];
        for (const [from, length] of [...cuts, [0, 8] as const]) {
          // Behind what is known nothing is missing: the guest sends from there on.
          const start = Math.min(from, run.guestSeq + 1);
          const reading = takeLines(run, lines.slice(start, start + length), NOW);
          run = reading.run;
          events.push(...reading.events);
        }
        expect({ ...run, version: 0 }).toEqual({ ...whole.run, version: 0 });
        expect(events).toEqual(whole.events);
      }),
    );
  });

  it.each([
    ['an end without a fault', [out(0, result(false)), exit(1, 0)], 'succeeded', null],
    ['an exit code', [exit(0, 1)], 'failed', 'run_failed'],
    ['a fault with exit code 0', [out(0, result(true)), exit(1, 0)], 'failed', 'run_failed'],
    [
      'F22: a fault that the tool got over',
      [out(0, result(true)), out(1, result(false)), exit(2, 0)],
      'succeeded',
      null,
    ],
    [
      'no sign-in, though the result calls itself a success',
      [
        out(0, { type: 'assistant', error: 'authentication_failed', message: { content: [] } }),
        out(1, result(true)),
        exit(2, 1),
      ],
      'failed',
      'needs_login',
    ],
    ['its time', [exit(0, 143, 'timeout')], 'timed_out', 'run_timed_out'],
    ['its cancellation', [out(0, result(false)), exit(1, 0, 'cancel')], 'cancelled', null],
  ] as const)('%s means what it means', (_name, lines, step, code) => {
    const { run } = takeLines(running(), lines, NOW);
    const outcome = outcomeOf(run, NOW);
    expect(outcome.step).toBe(step);
    expect(outcome.failure?.code ?? null).toBe(code);
    const byItself = lines.at(-1)?.type === 'exit' && run.endedBy === 'itself';
    expect(verdictOf(run)).toBe(code === 'needs_login' ? true : byItself ? false : null);
  });
});
