import fc from 'fast-check';
import { expect, it } from 'vitest';
import { keysymOf } from './keysyms.ts';
import { typedKeysyms } from './typed-text.ts';

const BACKSPACE = 0xff08;

it('types what was added, takes back what was corrected', () => {
  expect(typedKeysyms('ab', 'abc')).toEqual([0x63]);
  expect(typedKeysyms('ab', 'a')).toEqual([BACKSPACE]);
  expect(typedKeysyms('teh', 'the ')).toEqual([BACKSPACE, BACKSPACE, 0x68, 0x65, 0x20]);
  expect(typedKeysyms('', 'é€\n🔥')).toEqual([0xe9, 0x010020ac, 0xff0d, 0x0101f525]);
});

it('leads from any text to any other', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ü', '🔥'), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const typed = Array.from(before).map(keysymOf);
      for (const keysym of typedKeysyms(before, after)) {
        if (keysym === BACKSPACE) typed.pop();
        else typed.push(keysym);
      }
      expect(typed).toEqual(Array.from(after).map(keysymOf));
    }),
  );
});
