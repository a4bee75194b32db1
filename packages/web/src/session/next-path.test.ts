import fc from 'fast-check';
import { expect, it } from 'vitest';
import { safeNextPath, signinPath } from './next-path.ts';

const origin = 'https://hearth.example';

it.each([
  ['/vms/vm-0123456789ab/desktop', '/vms/vm-0123456789ab/desktop'],
  ['/?a=1#b', '/?a=1#b'],
  ['/a/../b', '/b'],
])('goes on to %s', (next, path) => {
  expect(safeNextPath(next, origin)).toBe(path);
});

it.each([
  null,
  '',
  'vms',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '/\n\\evil.example',
  'https://evil.example/',
  'javascript:alert(1)',
  '/x/..//evil.example',
  '/signin?code=abc',
  '//[',
])('F41: goes home instead of to %j', (next) => {
  expect(safeNextPath(next, origin)).toBe('/');
});

it('stays on this origin whatever it is told', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('/', '\\', '.', 'a', ':', '@', '?', '#', '\t', '%2f') }),
      (text) => {
        expect(new URL(safeNextPath(text, origin), origin).origin).toBe(origin);
      },
    ),
  );
});

it('comes back where it was left', () => {
  expect(safeNextPath(new URLSearchParams(signinPath('/vms/x?a=1').split('?')[1]).get('next'), origin)).toBe(
    '/vms/x?a=1',
  );
  expect(signinPath('/')).toBe('/signin');
  expect(signinPath('/signin?code=x')).toBe('/signin');
});
