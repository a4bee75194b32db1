import { vmSchema, type Vm } from '@hearth/contract';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../test-controller.ts';
import { startRunRig, type RunRig } from './test-runs.ts';

let rig: RunRig;
let ana: string;
beforeEach(async () => {
  rig = await startRunRig();
  ana = await rig.person('ana');
});
afterEach(() => rig[Symbol.asyncDispose]());

const show = async (id: string): Promise<Vm> =>
  vmSchema.parse(await (await rig.api.call(ana, 'GET', `/api/vms/${id}`)).json());
const create = (): Promise<Response> => rig.api.call(ana, 'POST', '/api/vms', { body: { kind: 'cli' } });

it('SIGTERM: streams of events end whole, with a word that says why', async () => {
  rig.host.script.holdBoot = true;
  const { id } = vmSchema.parse(await (await create()).json());
  const run = await rig.begin(ana, 'wait');
  const streams = await Promise.all(
    [`/api/vms/${id}/events`, '/api/vms/events', `/api/runs/${run.id}/events`, '/api/runs/events'].map(
      (path) => rig.api.call(ana, 'GET', path),
    ),
  );
  expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  const texts = Promise.all(streams.map((answer) => answer.text()));
  await rig.api.controller.close();
  for (const text of await texts) expect(text).toMatch(/: shutting_down\n\n$/);
});

it('SIGTERM: a start under way goes on, and the next controller follows it to its end', async () => {
  rig.host.script.holdBoot = true;
  const { id } = vmSchema.parse(await (await create()).json());
  await until('the boot', () => rig.host.machines.get(id)?.state === 'booting');
  await rig.restart();
  expect((await show(id)).state).toBe('starting');
  // The fake's way to let it boot on.
  rig.host.script.holdBoot = false;
  rig.host.machines.restart(id);
  await until('ready', async () => (await show(id)).state === 'ready');
});

it('SIGTERM: a creation that the host has not answered is refused, and leaves nothing behind', async () => {
  rig.host.script.createDelayMs = 300;
  const answer = create();
  await until('the hand-over', () =>
    rig.host.calls.some(({ method, path }) => method === 'PUT' && path.startsWith('/v1/vms/')),
  );
  await rig.restart();
  const refused = await answer;
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'shutting_down']);
  await until('the host to have nothing of it', async () => {
    await rig.api.controller.reconcile.run();
    return rig.host.machines.list().length === 0 && rig.host.calls.some(({ method }) => method === 'DELETE');
  });
});
