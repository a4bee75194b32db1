import { expect, it } from 'vitest';
import { hibernationWords } from './hibernation-words.ts';

const hibernatedAt = '2026-11-01T12:00:00.000Z';
const deletesAt = '2026-11-15T12:00:00.000Z';
const at = (iso: string): number => Date.parse(iso);

it('says nothing of a VM that is awake', () => {
  expect(hibernationWords({ hibernatedAt: null, deletesAt: null }, at(hibernatedAt))).toBeNull();
});

it('is quiet until three days before the end, and then warns of what is left', () => {
  const words = (nowIso: string) => hibernationWords({ hibernatedAt, deletesAt }, at(nowIso));
  expect(words('2026-11-12T11:59:00.000Z')?.warning).toBeNull();
  expect(words('2026-11-12T11:59:00.000Z')?.text).toMatch(
    /^Hibernated since 1 Nov 2026, .*; will be deleted on 15 Nov 2026, .* unless you resume it\.$/,
  );
  expect(words('2026-11-12T12:00:00.000Z')?.warning).toContain('in 3 days');
  expect(words('2026-11-15T10:59:00.000Z')?.warning).toContain('in 1 hour,');
  expect(words('2026-11-15T12:00:01.000Z')?.warning).toContain('at any moment');
});

it('promises no end to a VM that is kept', () => {
  const words = hibernationWords({ hibernatedAt, deletesAt: null }, at('2027-11-01T12:00:00.000Z'));
  expect(words?.warning).toBeNull();
  expect(words?.text).not.toContain('deleted');
});
