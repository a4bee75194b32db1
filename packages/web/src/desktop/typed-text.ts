import { keys, keysymOf } from './keysyms.ts';

/**
 * The keys that make of one text another, typed at its end. Systems' on-screen keyboards tell no keys but change a
 * text field, several characters at once and with corrections of what stands there already.
 */
export function typedKeysyms(before: string, after: string): number[] {
  const old = Array.from(before);
  const now = Array.from(after);
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same += 1;
  return [
    ...Array.from({ length: old.length - same }, () => keys.Backspace.keysym),
    ...now.slice(same).map(keysymOf),
  ];
}
