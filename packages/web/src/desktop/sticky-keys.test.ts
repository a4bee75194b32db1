import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  afterKey,
  allUp,
  press,
  releaseAll,
  stickyKeys,
  type StickyChange,
  type StickyKeys,
} from './sticky-keys.ts';

it('holds a modifier for one key, and at a second press until the third', () => {
  const once = press(allUp, 'Control');
  expect(once.events).toEqual([{ key: 'Control', down: true }]);
  expect(afterKey(once.keys)).toEqual({ keys: allUp, events: [{ key: 'Control', down: false }] });
  const held = press(once.keys, 'Control');
  expect(held.events).toEqual([]);
  expect(afterKey(held.keys)).toEqual({ keys: held.keys, events: [] });
  expect(press(held.keys, 'Control')).toEqual({ keys: allUp, events: [{ key: 'Control', down: false }] });
});

it('leaves no key down that the page shows as up, nor the reverse', () => {
  const step = fc.oneof(
    fc.constantFrom(...stickyKeys).map((key) => (now: StickyKeys) => press(now, key)),
    fc.constantFrom(afterKey, releaseAll),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const down = new Set<string>();
      const take = ({ keys, events }: StickyChange): StickyKeys => {
        for (const event of events) {
          expect(down.has(event.key)).toBe(!event.down);
          if (event.down) down.add(event.key);
          else down.delete(event.key);
        }
        return keys;
      };
      let now: StickyKeys = allUp;
      for (const change of steps) {
        now = take(change(now));
        expect(stickyKeys.filter((key) => now[key] !== 'up').sort()).toEqual([...down].sort());
      }
      now = take(releaseAll(now));
      expect([now, down.size]).toEqual([allUp, 0]);
    }),
  );
});
