import { desktopLimits, HearthError, type UserId, type ViewerId, type VmId } from '@hearth/contract';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createDesktopBoard,
  type Arrival,
  type DesktopBoard,
  type ViewerConnection,
} from './desktop-board.ts';

const VM = 'vm-000000000000' as VmId;
const viewer = (name: string): Arrival => ({
  viewerId: `vw-${name}` as ViewerId,
  userId: 'usr-ana' as UserId,
  user: 'ana',
  mode: 'control',
  mayTake: true,
  claim: true,
});
const connection = () => ({ close: vi.fn(), releaseInput: vi.fn() }) satisfies ViewerConnection;

let board: DesktopBoard;
let endVm: ((reason: HearthError) => void) | null;
beforeEach(() => {
  vi.useFakeTimers();
  endVm = null;
  board = createDesktopBoard({
    now: () => new Date(),
    maxViewers: 10,
    follow: (_vmId, end) => {
      endVm = end;
      return () => {
        endVm = null;
      };
    },
  });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the board of desktops', () => {
  it('keeps the place of a lost viewer for its time, and nothing afterwards', () => {
    const place = board.enter(VM, viewer('one'), connection());
    place.showGeometry({ width: 800, height: 600 });
    place.leave(false);
    vi.advanceTimersByTime(desktopLimits.resumeMs - 1);
    expect(board.state(VM)).toMatchObject({
      controllerId: 'vw-one',
      viewers: [{ connected: false }],
      geometry: { width: 800, height: 600 },
    });
    const events: unknown[] = [];
    const unwatch = board.watch(VM, (event) => events.push(event));
    vi.advanceTimersByTime(1);
    const empty = { viewers: [], controllerId: null, requests: [], geometry: null };
    expect(events).toEqual([{ type: 'desktop', desktop: empty }]);
    expect(board.size()).toBe(1);
    unwatch();
    expect(board.size()).toBe(0);
    expect(endVm, 'its VM is not watched any more').toBeNull();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets only the newest connection of a viewer drive', () => {
    const old = connection();
    const first = board.enter(VM, viewer('one'), old);
    expect(first.mayControl()).toBe(true);
    const second = board.enter(VM, viewer('one'), connection());
    expect(old.close).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'viewer_replaced' }));
    expect([first.mayControl(), second.mayControl()]).toEqual([false, true]);
    first.leave(true);
    expect(board.state(VM).viewers).toMatchObject([{ id: 'vw-one', connected: true }]);
    expect(second.mayControl()).toBe(true);
  });

  it('has whoever loses the control let go', () => {
    const old = connection();
    const first = board.enter(VM, viewer('one'), old);
    board.enter(VM, viewer('two'), connection());
    board.act(VM, 'usr-ana' as UserId, { action: 'take', viewerId: 'vw-two' as ViewerId });
    expect(old.releaseInput).toHaveBeenCalledOnce();
    expect(first.mayControl()).toBe(false);
  });

  it('ends with its VM: viewers hear why, listeners that it is over', () => {
    const [one, two] = [connection(), connection()];
    const place = board.enter(VM, viewer('one'), one);
    board.enter(VM, viewer('two'), two).leave(false);
    const events: unknown[] = [];
    board.watch(VM, (event) => events.push(event));
    const reason = new HearthError('vm_deleted', 'gone');
    endVm?.(reason);
    expect(one.close).toHaveBeenCalledExactlyOnceWith(reason);
    expect(two.close).not.toHaveBeenCalled();
    expect(events).toEqual([null]);
    expect(place.mayControl()).toBe(false);
    place.leave(false);
    place.showGeometry({ width: 800, height: 600 });
    expect([board.size(), vi.getTimerCount()]).toEqual([0, 0]);
    expect(events).toEqual([null]);
  });

  it('tells sizes that screens have, once each, and a notice once a second', () => {
    const place = board.enter(VM, viewer('one'), connection());
    const events: { type: string }[] = [];
    board.watch(VM, (event) => event !== null && events.push(event));
    place.showGeometry({ width: 800, height: 600 });
    place.showGeometry({ width: 800, height: 600 });
    place.showGeometry({ width: 1, height: 65_535 });
    expect(events.map((event) => ('desktop' in event ? event.desktop : null))).toMatchObject([
      { geometry: { width: 800, height: 600 } },
      { geometry: null },
    ]);
    for (let times = 0; times < 10; times += 1) place.notice('clipboard_too_large');
    vi.advanceTimersByTime(1000);
    place.notice('clipboard_too_large');
    expect(events.filter(({ type }) => type === 'notice')).toHaveLength(2);
  });

  it('stays empty where nobody could enter', () => {
    expect(() =>
      board.act(VM, 'usr-ana' as UserId, { action: 'take', viewerId: 'vw-one' as ViewerId }),
    ).toThrow(HearthError);
    expect([board.size(), endVm]).toEqual([0, null]);
  });
});
