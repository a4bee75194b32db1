import fastify from 'fastify';
import { afterEach, expect, test, vi } from 'vitest';
import { HearthError, type SnapshotId } from '@hearth/contract';
import { answerProblems } from './problems.ts';
import { addSnapshotRoutes } from './snapshot-routes.ts';

const app = fastify();
const remove = vi.fn<(id: SnapshotId) => Promise<number>>();
answerProblems(app);
addSnapshotRoutes(app, { list: () => Promise.resolve({ snapshots: [], making: 'cli: hashing' }), remove });
afterEach(() => remove.mockReset());

test('snapshots are listed with what is being made', async () => {
  const answer = await app.inject({ url: '/v1/snapshots' });
  expect(answer.json()).toEqual({ snapshots: [], making: 'cli: hashing' });
});

test('a removal says what it freed; one in use and one that is no id are refused', async () => {
  const url = '/v1/snapshots/snp-0123456789ab';
  remove.mockResolvedValueOnce(77);
  expect((await app.inject({ method: 'DELETE', url })).json()).toEqual({
    id: 'snp-0123456789ab',
    freedBytes: 77,
  });
  remove.mockRejectedValueOnce(new HearthError('snapshot_in_use', '2 living VMs were cloned from it'));
  const refused = await app.inject({ method: 'DELETE', url });
  expect(refused.statusCode).toBe(409);
  expect(refused.json()).toMatchObject({ code: 'snapshot_in_use' });
  const wrong = await app.inject({ method: 'DELETE', url: '/v1/snapshots/..%2fimages' });
  expect(wrong.statusCode).toBe(400);
  expect(remove).toHaveBeenCalledTimes(2);
});
