import { type RunId, type UserId, type VmId } from '@hearth/contract';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { placeOf, planQueue, type QueueLimits } from './queue.ts';
import { advance, newRun, type RunRecord } from './run-record.ts';

const AT = new Date('2026-01-01T00:00:00.000Z');
const limits: QueueLimits = { maxPerUser: 3, maxPerVm: 2 };
const HOMES = new Map([['usr-a' as UserId, 'vm-a' as VmId]]);

interface Sketch {
  user: 'usr-a' | 'usr-b' | 'usr-c';
  vm: 'vm-a' | 'vm-x' | null;
  codex: boolean;
  state: 'queued' | 'starting' | 'running' | 'paused';
  conversation: 'c1' | 'c2' | null;
}
const run = (sketch: Partial<Sketch>, index: number): RunRecord => ({
  ...newRun({
    id: `run-${String(index).padStart(12, '0')}` as RunId,
    userId: (sketch.user ?? 'usr-a') as UserId,
    provider: sketch.codex === true ? 'codex' : 'claude_code',
    prompt: 'x',
    continues: sketch.conversation ?? null,
    model: null,
    cwd: '/home/hearth',
    wantedVmId: (sketch.vm ?? null) as VmId | null,
    timeoutMs: 1000,
    requestId: 'request-1',
    paused: false,
    now: new Date(AT.getTime() + index * 1000),
  }),
  state: sketch.state ?? 'queued',
});
const sketches = fc.array(
  fc.record<Sketch>({
    user: fc.constantFrom('usr-a', 'usr-b', 'usr-c'),
    vm: fc.constantFrom('vm-a', 'vm-x', null),
    codex: fc.constant(false),
    state: fc.constantFrom('queued', 'queued', 'queued', 'starting', 'running', 'paused'),
    conversation: fc.constantFrom('c1', 'c2', null, null),
  }),
  { maxLength: 25 },
);
const count = <T>(list: readonly T[], of: (item: T) => string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const item of list) counts.set(of(item), (counts.get(of(item)) ?? 0) + 1);
  return counts;
};
const isUnderWay = ({ state }: RunRecord): boolean => state === 'starting' || state === 'running';

it('never goes over a limit, starts nothing that is blocked, and leaves nobody out who could start', () => {
  fc.assert(
    fc.property(sketches, fc.boolean(), (list, block) => {
      const runs = list.map(run);
      const blockedRun = runs.find(({ state }) => state === 'queued');
      const blocked = new Map(
        block && blockedRun !== undefined ? [[placeOf(blockedRun, HOMES), 'something']] : [],
      );
      const plan = planQueue({ runs, homes: HOMES, limits, blocked });
      const started = plan.start.map((id) => runs.find((one) => one.id === id) as RunRecord);
      expect(started.every(({ state }) => state === 'queued')).toBe(true);
      expect(new Set(plan.start).size).toBe(plan.start.length);
      expect(started.some((one) => blocked.has(placeOf(one, HOMES)))).toBe(false);

      const before = runs.filter(isUnderWay);
      const after = [...before, ...started];
      const vm = (one: RunRecord): string => placeOf(one, HOMES).split(' ').slice(2).join(' ');
      for (const [key, limit] of [
        [(one: RunRecord) => one.userId as string, limits.maxPerUser],
        [vm, limits.maxPerVm],
      ] as const) {
        const then = count(before, key);
        // Where more run than are allowed (the limit was lowered), at least no more are added.
        for (const [name, number] of count(after, key))
          expect(number).toBeLessThanOrEqual(Math.max(limit, then.get(name) ?? 0));
      }
      // One conversation is continued by one run at a time.
      const added = started.filter(({ continues }) => continues !== null);
      for (const one of added)
        expect(
          after.filter(
            (other) => other !== one && other.userId === one.userId && other.continues === one.continues,
          ),
        ).toEqual([]);

      // Every run that waits is told why, and has its place in its person's queue.
      for (const user of new Set(runs.map(({ userId }) => userId))) {
        const waiting = runs.filter(
          (one) => one.userId === user && one.state === 'queued' && !plan.start.includes(one.id),
        );
        expect(waiting.map(({ id }) => plan.waiting.get(id)?.position)).toEqual([...waiting.keys()]);
        for (const { id } of waiting) expect(plan.waiting.get(id)?.waitingFor).not.toBe('its turn');
      }
    }),
    { numRuns: 500 },
  );
});

it('first come, first served: nobody overtakes who could start as well', () => {
  fc.assert(
    fc.property(sketches, (list) => {
      const runs = list.map((sketch, index) => run({ ...sketch, conversation: null }, index));
      const { start } = planQueue({ runs, homes: HOMES, limits, blocked: new Map() });
      for (const [index, one] of runs.entries()) {
        if (one.state !== 'queued' || start.includes(one.id)) continue;
        for (const later of runs.slice(index + 1))
          if (later.userId === one.userId && placeOf(later, HOMES) === placeOf(one, HOMES))
            expect(start).not.toContain(later.id);
      }
    }),
    { numRuns: 300 },
  );
});

it('between persons whoever has the fewest under way is next', () => {
  const runs = [
    run({ user: 'usr-a', state: 'running' }, 0),
    run({ user: 'usr-a' }, 1),
    run({ user: 'usr-a', vm: 'vm-x' }, 2),
    run({ user: 'usr-b' }, 3),
    run({ user: 'usr-b' }, 4),
  ];
  const { start } = planQueue({ runs, homes: HOMES, limits, blocked: new Map() });
  expect(start.map((id) => Number(id.slice(4)))).toEqual([3, 1, 4, 2]);
});

it('every run comes to its turn, whatever ends when', () => {
  fc.assert(
    fc.property(sketches, fc.infiniteStream(fc.nat()), (list, choices) => {
      let runs = list.map((sketch, index) => run({ ...sketch, state: 'queued' }, index));
      const started = new Set<RunId>();
      for (let turn = 0; runs.length > 0; turn += 1) {
        expect(turn).toBeLessThan(1000);
        const { start } = planQueue({ runs, homes: HOMES, limits, blocked: new Map() });
        runs = runs.map((one) => (start.includes(one.id) ? (advance(one, 'taken') ?? one) : one));
        for (const id of start) started.add(id);
        const underWay = runs.filter(isUnderWay);
        const ending = underWay[choices.next().value % underWay.length];
        runs = runs.filter((one) => one !== ending);
      }
      expect(started.size).toBe(list.length);
    }),
    { numRuns: 200 },
  );
});
