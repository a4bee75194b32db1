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

test('a slow check is followed by a longer rest', async () => {
  let atOnce = 0;
  const starts: number[] = [];
  const probe: Probe = {
    name: 'display',
    check: async () => {
      starts.push(performance.now());
      atOnce += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return String(atOnce);
    },
  };
  const board = startServiceBoard({ ...fast, probes: [probe] });
  await vi.waitFor(() => expect(starts.length).toBeGreaterThanOrEqual(3), 5000);
  board.stop();
  const gaps = starts.slice(1).map((at, index) => at - (starts[index] ?? 0));
  // The check itself, and four times as long of rest.
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(200);
});
