/** Modifiers that can be held from the page. */
export const stickyKeys = ['Control', 'Alt', 'Shift', 'Super'] as const;
export type StickyKey = (typeof stickyKeys)[number];
/** up; once: down until the next other key; held: down until it is pressed again. */
export type StickyState = 'up' | 'once' | 'held';
export type StickyKeys = Readonly<Record<StickyKey, StickyState>>;

export const allUp: StickyKeys = { Control: 'up', Alt: 'up', Shift: 'up', Super: 'up' };

/** A press on the page's button: up → once → held → up. */
const next: Readonly<Record<StickyState, StickyState>> = { up: 'once', once: 'held', held: 'up' };

export interface StickyChange {
  keys: StickyKeys;
  /** To be told to the desktop, in this order. */
  events: readonly { key: StickyKey; down: boolean }[];
}

export function press(now: StickyKeys, key: StickyKey): StickyChange {
  const state = next[now[key]];
  const events = state === 'held' ? [] : [{ key, down: state === 'once' }];
  return { keys: { ...now, [key]: state }, events };
}

/** Another key was typed: what was down for one key goes up. */
export const afterKey = (now: StickyKeys): StickyChange => release(now, 'once');

/** Everything goes up: the control or the connection is lost. */
export function releaseAll(now: StickyKeys): StickyChange {
  const once = release(now, 'once');
  const held = release(once.keys, 'held');
  return { keys: held.keys, events: [...once.events, ...held.events] };
}

function release(now: StickyKeys, state: StickyState): StickyChange {
  const ending = stickyKeys.filter((key) => now[key] === state);
  if (ending.length === 0) return { keys: now, events: [] };
  const keys = { ...now };
  for (const key of ending) keys[key] = 'up';
  return { keys, events: ending.map((key) => ({ key, down: false })) };
}
