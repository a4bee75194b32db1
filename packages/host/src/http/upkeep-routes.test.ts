import { HearthError, type DriftReport, type SweepReport } from '@hearth/contract';
import fastify from 'fastify';
import { expect, test } from 'vitest';
import { openHostDatabase } from '../journal/database.ts';
import { createSettings } from '../journal/settings.ts';
import { createDrainSwitch } from '../vms/drain.ts';
import { answerProblems } from './problems.ts';
import { addUpkeepRoutes } from './upkeep-routes.ts';

function open() {
  const database = openHostDatabase(':memory:');
  const calls: string[] = [];
  const report: DriftReport = { at: '', vms: 1, tookMs: 1, drifts: [], passes: 1, repairs: 0 };
  let last: DriftReport | null = null;
  const openDrain = () => createDrainSwitch(createSettings(database), (line) => calls.push(line));
  const app = fastify();
  answerProblems(app);
  addUpkeepRoutes(app, {
    reconciler: {
      last: () => last,
      pass: async () => {
        calls.push('pass');
        last = report;
        return report;
      },
    },
    sweeper: {
      sweep: async ({ dryRun }) => {
        calls.push(`sweep ${dryRun}`);
        return { at: '', dryRun, leftovers: [] } satisfies SweepReport;
      },
    },
    drain: openDrain(),
    log: () => undefined,
  });
  return { app, calls, openDrain };
}

test('drift is looked for where it never was, and where it is asked for now', async () => {
  const { app, calls } = open();
  for (const url of ['/v1/drift', '/v1/drift', '/v1/drift?now=false', '/v1/drift?now=true'])
    expect((await app.inject(url)).json()).toMatchObject({ passes: 1 });
  expect(calls).toEqual(['pass', 'pass']);
});

test('a sweep is no dry one unless it is said', async () => {
  const { app, calls } = open();
  await app.inject({ method: 'POST', url: '/v1/sweep' });
  await app.inject({ method: 'POST', url: '/v1/sweep', payload: { dryRun: true } });
  expect(calls).toEqual(['sweep false', 'sweep true']);
  for (const payload of [{ dryRun: 'yes' }, { dry: true }])
    expect((await app.inject({ method: 'POST', url: '/v1/sweep', payload })).json()).toMatchObject({
      code: 'bad_request' satisfies HearthError['code'],
    });
});

test('draining is kept over restarts, and told once', async () => {
  const { app, calls, openDrain } = open();
  expect((await app.inject('/v1/drain')).json()).toEqual({ draining: false });
  for (let n = 0; n < 2; n += 1)
    expect(
      (await app.inject({ method: 'PUT', url: '/v1/drain', payload: { draining: true } })).json(),
    ).toEqual({ draining: true });
  expect(openDrain().get()).toEqual({ draining: true });
  expect(calls).toHaveLength(1);
  expect((await app.inject({ method: 'PUT', url: '/v1/drain', payload: {} })).statusCode).toBe(400);
});
