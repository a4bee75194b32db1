import { expect, test } from 'vitest';
import { makePaint } from './output.ts';
import { renderTimeline } from './timeline.ts';
import type { Vm } from '@hearth/contract';

const plain = makePaint(false);
const vm = (
  state: Vm['state'],
  marks: [string, number][],
  origin: Vm['origin'] = null,
): Pick<Vm, 'id' | 'kind' | 'state' | 'origin' | 'timeline'> => ({
  id: 'vm-0123456789ab' as Vm['id'],
  kind: 'cli',
  state,
  origin,
  timeline: {
    startedAt: '2026-11-23T00:00:00.000Z',
    phases: marks.map(([phase, atMs]) => ({ phase, atMs })) as Vm['timeline']['phases'],
  },
});

test('bars are proportional, follow each other and carry milliseconds', () => {
  const boot = vm('ready', [
    ['admitted', 4],
    ['disk', 21],
    ['tap', 60],
    ['vmm', 160],
    ['kernel', 1160],
    ['init', 3160],
    ['network', 5000],
    ['agent', 7000],
    ['ready', 8000],
  ]);
  expect(renderTimeline(boot, 80, plain)).toMatchInlineSnapshot(`
    "vm-0123456789ab  cli  ready
    admitted       4 ms  ▏
    disk          17 ms  ▏
    tap           39 ms  ▎
    vmm          100 ms  ▊
    kernel      1000 ms   ███████
    init        2000 ms          ██████████████
    network     1840 ms                        ████████████▉
    agent       2000 ms                                     ██████████████
    ready       1000 ms                                                   ███████
    total       8000 ms  8.0 s to ready"
  `);
});

test('a boot that failed says how far it came', () => {
  expect(
    renderTimeline(
      vm('failed', [
        ['admitted', 5],
        ['disk', 105],
      ]),
      80,
      plain,
    ),
  ).toMatchInlineSnapshot(`
    "vm-0123456789ab  cli  failed
    admitted       5 ms  ██▋
    disk         100 ms    █████████████████████████████████████████████████████▍
    total        105 ms  105 ms until disk, then: failed"
  `);
});

test('the way of a restore is told by time, and what came when someone looked has no bar', () => {
  const restored = vm(
    'ready',
    [
      ['vmm', 100],
      ['load', 300],
      ['ready', 1000],
      ['resume', 400],
      ['first_frame', 61_120],
      ['thaw', 61_000],
    ],
    'snapshot',
  );
  expect(renderTimeline(restored, 80, plain)).toMatchInlineSnapshot(`
    "vm-0123456789ab  cli  ready  from a golden snapshot
    vmm          100 ms  █████▋
    load         200 ms       ███████████▎
    resume       100 ms                  █████▋
    ready        600 ms                        █████████████████████████████████▋
    total       1000 ms  1.0 s to ready
    thaw        at 1:01 min: its browser runs on
    first_frame at 1:01 min, 120 ms after thaw: the first picture went to a viewer"
  `);
});

test('a warm VM was taken, and no phase of a boot is missed', () => {
  const taken = vm(
    'ready',
    [
      ['taken', 12],
      ['ready', 14],
    ],
    'snapshot',
  );
  expect(renderTimeline(taken, 80, plain)).toMatchInlineSnapshot(`
    "vm-0123456789ab  cli  ready  from a golden snapshot, and the warm pool
    taken         12 ms  ████████████████████████████████████████████████
    ready          2 ms                                                  ████████
    total         14 ms  14 ms to ready"
  `);
});

test('no phase, and all phases at once, are no division by zero', () => {
  expect(renderTimeline(vm('requested', []), 80, plain)).toContain('no phase was reached yet');
  expect(renderTimeline(vm('starting', [['admitted', 0]]), 80, plain)).toContain('0 ms');
});
