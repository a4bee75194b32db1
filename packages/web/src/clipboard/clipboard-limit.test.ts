import { desktopLimits } from '@hearth/contract';
import { expect, it } from 'vitest';
import { tooLarge } from './clipboard-limit.ts';

it('counts bytes, not characters, and says what to do instead', () => {
  const limit = desktopLimits.clipboardBytes;
  expect(tooLarge('x'.repeat(limit))).toBeNull();
  expect(tooLarge('x'.repeat(limit + 1))).toContain('drop that on the page');
  expect(tooLarge('ü'.repeat(limit / 2))).toBeNull();
  expect(tooLarge('ü'.repeat(limit / 2 + 1))).toContain('1.0 MiB');
  expect(tooLarge('x'.repeat(10 * 1024 * 1024))).toContain('10 MiB');
});
