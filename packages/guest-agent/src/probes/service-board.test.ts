import type { ServiceState } from '@hearth/contract';
import { expect, test, vi } from 'vitest';
import type { Probe } from './probe.ts';
import { startServiceBoard } from './service-board.ts';

const silent = () => undefined;
const fast = { agentDetail: '1.0', onChange: silent, log: silent, searchMs: 2, watchMs: 2 };

test('what needs another service is not looked for before that runs, and is told to wait for it', async () => {
  let browserRuns = false;
  const desktop = vi.fn(() => Promise.resolve('painted'));
  const probes: Probe[] = [
    {
      name: 'browser',
      check: () => (browserRuns ? Promise.resolve('Chromium') : Promise.reject(new Error('no answer'))),
    },
    { name: 'desktop', after: ['browser'], check: desktop },
  ];
  const board = startServiceBoard({ ...fast, probes });
  const state = (name: ServiceState['name']) => board.services().find((service) => service.name === name);
  try {
    await vi.waitFor(() =>
      expect(state('browser')).toMatchObject({ state: 'starting', detail: 'no answer' }),
    );
    expect(state('desktop')).toMatchObject({ state: 'starting', detail: 'waits for browser' });
    expect(desktop).not.toHaveBeenCalled();
    browserRuns = true;
    await vi.waitFor(() => expect(state('desktop')).toMatchObject({ state: 'running', detail: 'painted' }));
    // Once it ran it is judged by itself.
    browserRuns = false;
    await vi.waitFor(() => expect(state('browser')?.state).toBe('failed'));
    expect(state('desktop')?.state).toBe('running');
  } finally {
    board.stop();
  }
});

test('what stands still is not asked, counts for what needs it, and once thawed is on its way, not failed', async () => {
  let frozen = true;
  let answers = false;
  const ask = vi.fn(() => (answers ? Promise.resolve('Chromium') : Promise.reject(new Error('busy'))));
  const probes: Probe[] = [
    { name: 'browser', check: ask, isFrozen: () => Promise.resolve(frozen) },
    { name: 'desktop', after: ['browser'], check: () => Promise.resolve('painted') },
  ];
  // Without the wish to look, the next look would be a minute away.
  const board = startServiceBoard({ ...fast, probes, watchMs: 60_000 });
  const state = (name: ServiceState['name']) => board.services().find((service) => service.name === name);
  try {
    await vi.waitFor(() => expect(state('desktop')?.state).toBe('running'));
    expect(state('browser')?.state).toBe('frozen');
    expect(ask).not.toHaveBeenCalled();
    frozen = false;
    board.look();
    await vi.waitFor(() => expect(state('browser')).toMatchObject({ state: 'starting', detail: 'busy' }));
    answers = true;
    await vi.waitFor(() => expect(state('browser')?.state).toBe('running'));
  } finally {
    board.stop();
  }
});

test('what waited for a service is looked for as soon as that runs', async () => {
  const probes: Probe[] = [
    { name: 'desktop', after: ['display', 'browser'], check: () => Promise.resolve('painted') },
    {
      name: 'browser',
      check: () => Promise.reject(new Error('asked')),
      isFrozen: () => Promise.resolve(true),
    },
    { name: 'display', check: () => Promise.resolve('1280x720') },
  ];
  // Longer than a test may last.
  const board = startServiceBoard({ ...fast, probes, searchMs: 60_000, watchMs: 60_000 });
  try {
    await vi.waitFor(() =>
      expect(board.services().map(({ state }) => state)).toEqual(['running', 'running', 'frozen', 'running']),
    );
  } finally {
    board.stop();
  }
});

test('a check that costs much is followed by a longer rest, one that only waits is not', async () => {
  const restsMs = async (work: () => Promise<void>): Promise<number[]> => {
    const starts: number[] = [];
    const ends: number[] = [];
    const check = async (): Promise<string> => {
      starts.push(performance.now());
      await work();
      ends.push(performance.now());
      return String(ends.length);
    };
    const board = startServiceBoard({ ...fast, probes: [{ name: 'display', check }] });
    await vi.waitFor(() => expect(starts.length).toBeGreaterThanOrEqual(4), 5000);
    board.stop();
    return starts.slice(1).map((at, index) => at - (ends[index] ?? 0));
  };
  const spin = async (): Promise<void> => {
    const before = process.cpuUsage();
    while (process.cpuUsage(before).user < 30_000) void Math.sqrt(before.user);
  };
  const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));
  expect(Math.min(...(await restsMs(spin)))).toBeGreaterThanOrEqual(100);
  expect(Math.min(...(await restsMs(wait)))).toBeLessThan(100);
});
