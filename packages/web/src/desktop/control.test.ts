import { desktopStateSchema, viewerIdSchema, type DesktopState } from '@hearth/contract';
import { expect, it } from 'vitest';
import { controlSituation } from './control.ts';

const id = (name: string) => viewerIdSchema.parse(`vw-00000000000${name}`);
const desktop = (controller: string | null, requests: string[] = []): DesktopState =>
  desktopStateSchema.parse({
    viewers: (['a', 'b', 'c'] as const).map((name) => ({
      ...{ id: id(name), user: name, connected: true, since: '2026-01-01T00:00:00.000Z' },
      mode: name === 'c' ? 'view' : 'control',
    })),
    controllerId: controller === null ? null : id(controller),
    requests: requests.map(id),
    geometry: null,
  });

it('who controls may give, and sees who asks', () => {
  const situation = controlSituation(desktop('a', ['b']), id('a'), false);
  expect(situation).toMatchObject({ controls: true, controller: null, mayTake: false, mayAsk: false });
  expect(situation.askedBy.map(({ user }) => user)).toEqual(['b']);
  expect(situation.mayGiveTo.map(({ user }) => user)).toEqual(['b']);
});

it('who watches may ask; the owner takes it; anybody takes what nobody has', () => {
  const asking = controlSituation(desktop('a'), id('b'), false);
  expect(asking).toMatchObject({ controls: false, mayTake: false, mayAsk: true, asked: false, askedBy: [] });
  expect(asking.controller?.user).toBe('a');
  expect(controlSituation(desktop('a', ['b']), id('b'), false)).toMatchObject({ mayAsk: false, asked: true });
  expect(controlSituation(desktop('a'), id('b'), true)).toMatchObject({ mayTake: true, mayAsk: false });
  expect(controlSituation(desktop(null), id('b'), false)).toMatchObject({ mayTake: true, mayAsk: false });
});

it('who may only watch, or isn’t there yet, has no say', () => {
  for (const me of [id('c'), id('d'), null])
    for (const controller of ['a', null])
      expect(controlSituation(desktop(controller), me, true)).toMatchObject({
        ...{ controls: false, mayTake: false, mayAsk: false, askedBy: [], mayGiveTo: [] },
      });
});
