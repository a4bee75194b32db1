import { HearthError, type ControlAction, type UserId, type ViewerId } from '@hearth/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moveSeats, noSeats, type Seat, type SeatEvent, type Seats } from './seats.ts';

const users = ['ana', 'bob'] as const;
const userId = (name: string): UserId => `usr-${name}` as UserId;
const viewer = (name: string): ViewerId => `vw-${name}` as ViewerId;

const join = (name: string, more: Partial<Seat> & { claim?: boolean; limit?: number } = {}): SeatEvent => {
  const { claim = true, limit = 10, ...seat } = more;
  return {
    type: 'join',
    claim,
    limit,
    seat: {
      viewerId: viewer(name),
      userId: userId('ana'),
      user: 'ana',
      mode: 'control',
      mayTake: true,
      connection: 1,
      since: '2026-01-01T00:00:00.000Z',
      ...seat,
    },
  };
};
const act = (action: ControlAction, user = 'ana'): SeatEvent => ({
  type: 'act',
  userId: userId(user),
  action,
});
const play = (...events: SeatEvent[]): Seats =>
  events.reduce((state, event) => moveSeats(state, event).next, noSeats);
const refusal = (state: Seats, event: SeatEvent): string => {
  try {
    moveSeats(state, event);
  } catch (error) {
    if (error instanceof HearthError) return error.code;
    throw error;
  }
  return 'not refused';
};

describe('who drives a desktop', () => {
  it('is the first viewer that claims it; others watch, ask and are given it', () => {
    let state = play(
      join('one', { connection: 1 }),
      join('two', { connection: 2, mayTake: false, userId: userId('bob') }),
    );
    expect(state.controllerId).toBe('vw-one');
    expect(refusal(state, act({ action: 'take', viewerId: viewer('two') }, 'bob'))).toBe('forbidden');
    state = moveSeats(state, act({ action: 'ask', viewerId: viewer('two') }, 'bob')).next;
    expect(state.requests).toEqual(['vw-two']);
    const given = moveSeats(state, act({ action: 'give', viewerId: viewer('one'), to: viewer('two') }));
    expect(given.next).toMatchObject({ controllerId: 'vw-two', requests: [] });
    expect(given.effects).toEqual([{ type: 'control_lost', connection: 1 }]);
    // The owner takes it back at once.
    expect(moveSeats(given.next, act({ action: 'take', viewerId: viewer('one') })).next.controllerId).toBe(
      'vw-one',
    );
  });

  it('declines and releases', () => {
    const asked = play(
      join('one'),
      join('two', { connection: 2 }),
      act({ action: 'ask', viewerId: viewer('two') }),
    );
    const declined = moveSeats(asked, act({ action: 'decline', viewerId: viewer('one'), to: viewer('two') }));
    expect(declined.next.requests).toEqual([]);
    expect(refusal(asked, act({ action: 'decline', viewerId: viewer('two'), to: viewer('one') }))).toBe(
      'forbidden',
    );
    const released = moveSeats(asked, act({ action: 'release', viewerId: viewer('one') })).next;
    expect(released).toMatchObject({ controllerId: null, requests: ['vw-two'] });
    expect(moveSeats(released, act({ action: 'ask', viewerId: viewer('two') })).next).toMatchObject({
      controllerId: 'vw-two',
      requests: [],
    });
  });

  it('is nobody where the first viewer does not claim it, or only watches', () => {
    expect(play(join('one', { claim: false })).controllerId).toBeNull();
    const watching = play(join('one', { mode: 'view' }));
    expect(watching.controllerId).toBeNull();
    for (const action of ['ask', 'take'] as const)
      expect(refusal(watching, act({ action, viewerId: viewer('one') }))).toBe('forbidden');
  });

  it('keeps place and control of a viewer that lost its connection, until its time is over', () => {
    const since = '2026-01-01T00:00:09.000Z';
    const lost = play(join('one', { connection: 1 }), join('two', { connection: 2 }), {
      type: 'connection_lost',
      viewerId: viewer('one'),
      connection: 1,
    });
    expect(lost).toMatchObject({
      controllerId: 'vw-one',
      seats: [{ connected: false }, { connected: true }],
    });
    const back = moveSeats(lost, join('one', { connection: 3, claim: false, since })).next;
    expect(back).toMatchObject({ controllerId: 'vw-one', seats: [{ connected: true, connection: 3 }, {}] });
    expect(back.seats[0]?.since).not.toBe(since);
    // The timer of the old connection comes too late.
    const late: SeatEvent = { type: 'leave', viewerId: viewer('one'), connection: 1 };
    expect(moveSeats(back, late).next).toBe(back);
    const gone = moveSeats(lost, late).next;
    expect(gone).toMatchObject({ controllerId: null, seats: [{ viewerId: 'vw-two' }] });
  });

  it('goes on at once in a new window of the same user; another user waits until the lost one is gone', () => {
    const lost = moveSeats(play(join('one')), {
      type: 'connection_lost',
      viewerId: viewer('one'),
      connection: 1,
    }).next;
    const own = moveSeats(lost, join('two', { connection: 2 })).next;
    expect(own.controllerId).toBe('vw-two');
    expect(moveSeats(own, join('one', { connection: 3 })).next.controllerId).toBe('vw-two');
    const watching = join('two', { connection: 2, claim: false });
    expect(moveSeats(lost, watching).next.controllerId).toBe('vw-one');
    const other = join('two', { connection: 2, userId: userId('bob') });
    expect(moveSeats(lost, other).next.controllerId).toBe('vw-one');
  });

  it('closes the older connection of a viewer that opens a second one', () => {
    const { next, effects } = moveSeats(play(join('one', { connection: 1 })), join('one', { connection: 2 }));
    expect(effects).toEqual([{ type: 'replaced', connection: 1 }]);
    expect(next).toMatchObject({ controllerId: 'vw-one', seats: [{ connection: 2 }] });
  });

  it('F41: a viewer acts only by its own user, and nobody takes up the place of another', () => {
    const state = play(join('one'));
    expect(refusal(state, act({ action: 'release', viewerId: viewer('one') }, 'bob'))).toBe('forbidden');
    expect(refusal(state, join('one', { userId: userId('bob'), connection: 2 }))).toBe('forbidden');
    expect(refusal(state, act({ action: 'ask', viewerId: viewer('who') }))).toBe('not_found');
  });

  it('refuses one viewer too many; one that lost its connection gives way', () => {
    const full = play(join('one'), join('two', { connection: 2 }));
    expect(refusal(full, join('three', { connection: 3, limit: 2 }))).toBe('viewer_limit');
    expect(moveSeats(full, join('two', { connection: 3, limit: 2 })).next.seats).toHaveLength(2);
    const lost = moveSeats(full, { type: 'connection_lost', viewerId: viewer('one'), connection: 1 }).next;
    const joined = moveSeats(lost, join('three', { connection: 3, limit: 2 })).next;
    expect(joined.seats.map(({ viewerId }) => viewerId)).toEqual(['vw-two', 'vw-three']);
  });

  it('gives the control only to a connected viewer that may have it', () => {
    const state = play(
      join('one'),
      join('two', { connection: 2, mode: 'view' }),
      join('three', { connection: 3 }),
      { type: 'connection_lost', viewerId: viewer('three'), connection: 3 },
    );
    for (const [to, code] of [
      ['two', 'conflict'],
      ['three', 'conflict'],
      ['four', 'not_found'],
    ] as const)
      expect(refusal(state, act({ action: 'give', viewerId: viewer('one'), to: viewer(to) }))).toBe(code);
  });
});

describe('model', () => {
  const LIMIT = 4;
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const name = fc.constantFrom(...names);
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('join' as const),
        name,
        view: fc.boolean(),
        claim: fc.boolean(),
        user: fc.constantFrom(...users),
      }),
    },
    fc.record({ do: fc.constantFrom('lose' as const, 'leave' as const), name, stale: fc.boolean() }),
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'ask' as const,
          'take' as const,
          'release' as const,
          'give' as const,
          'decline' as const,
        ),
        name,
        to: name,
        user: fc.constantFrom(...users),
      }),
    },
  );

  it('at most one drives, who is there and may; only those ask who are there and may; nobody is lost', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state = noSeats;
        let connections = 0;
        /** What must be there: viewer → its open connection, or null while it may come back. */
        const model = new Map<ViewerId, { connection: number; connected: boolean }>();
        for (const one of steps) {
          const viewerId = viewer(one.name);
          const known = model.get(viewerId);
          let event: SeatEvent;
          if (one.do === 'join') {
            connections += 1;
            event = join(one.name, {
              connection: connections,
              mode: one.view ? 'view' : 'control',
              claim: one.claim,
              limit: LIMIT,
              userId: userId(one.user),
              mayTake: one.user === 'ana',
            });
          } else if ('stale' in one) {
            const connection = one.stale ? 0 : (known?.connection ?? 0);
            event = { type: one.do === 'lose' ? 'connection_lost' : 'leave', viewerId, connection };
          } else {
            const action = { action: one.do, viewerId, to: viewer(one.to) };
            event = act(action, one.user);
          }
          let moved;
          try {
            moved = moveSeats(state, event);
          } catch (error) {
            expect(error).toBeInstanceOf(HearthError);
            continue;
          }
          const { next, effects } = moved;
          if (event.type === 'join') {
            const replaced = known?.connected === true ? [known.connection] : [];
            expect(effects.flatMap((e) => (e.type === 'replaced' ? [e.connection] : []))).toEqual(replaced);
            model.set(viewerId, { connection: connections, connected: true });
            // Only a viewer without a connection may have given way.
            for (const [id, { connected }] of model)
              if (!next.seats.some((seat) => seat.viewerId === id)) {
                expect(connected).toBe(false);
                expect(model.size).toBeGreaterThan(LIMIT);
                model.delete(id);
              }
          } else if (event.type !== 'act' && known?.connection === event.connection) {
            if (event.type === 'leave') model.delete(viewerId);
            else model.set(viewerId, { ...known, connected: false });
          }
          const seen = next.seats.map((seat): [ViewerId, unknown] => [
            seat.viewerId,
            { connection: seat.connection, connected: seat.connected },
          ]);
          expect(new Map(seen)).toEqual(model);
          expect(next.seats.length).toBe(model.size);
          expect(next.seats.length).toBeLessThanOrEqual(LIMIT);

          const mode = new Map(next.seats.map((seat) => [seat.viewerId, seat.mode]));
          if (next.controllerId !== null) expect(mode.get(next.controllerId)).toBe('control');
          for (const id of next.requests) {
            expect(mode.get(id)).toBe('control');
            expect(id).not.toBe(next.controllerId);
          }
          expect(new Set(next.requests).size).toBe(next.requests.length);

          // Whoever is connected and no longer drives is told to let go, and nobody else is.
          const before = state.seats.find((seat) => seat.viewerId === state.controllerId);
          const lost = effects.flatMap((e) => (e.type === 'control_lost' ? [e.connection] : []));
          const stays = next.seats.some((seat) => seat.connection === before?.connection);
          const mustLetGo = before?.connected === true && stays && next.controllerId !== before.viewerId;
          expect(lost).toEqual(mustLetGo ? [before.connection] : []);
          state = next;
        }
      }),
      { numRuns: 500 },
    );
  });
});
