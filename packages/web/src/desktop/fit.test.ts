import { expect, test } from 'vitest';
import { setDesktopSize } from './fit.ts';

test('a size is asked for in one screen', () => {
  expect([...setDesktopSize(500, 1028)]).toEqual([
    ...[251, 0, 1, 244, 4, 4, 1, 0],
    ...[0, 0, 0, 0, 0, 0, 0, 0, 1, 244, 4, 4, 0, 0, 0, 0],
  ]);
});
