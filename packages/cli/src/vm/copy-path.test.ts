import { expect, test } from 'vitest';
import { planCopy } from './copy-path.ts';

const id = 'vm-0123456789ab';

test('one side is in a VM, the other a file or a stream', () => {
  expect(planCopy('notes.txt', `${id}:/home/hearth/`)).toEqual({
    direction: 'up',
    from: 'notes.txt',
    vmId: id,
    path: '/home/hearth/',
  });
  expect(planCopy(`${id}:/etc/hostname`, '-')).toEqual({
    direction: 'down',
    vmId: id,
    path: '/etc/hostname',
    to: null,
  });
  expect(planCopy('-', `${id}:/a:b`)).toEqual({ direction: 'up', from: null, vmId: id, path: '/a:b' });
});

test('a file here may look like anything but a VM', () => {
  expect(planCopy('./vm-notes:old', `${id}:/x`)).toMatchObject({ from: './vm-notes:old' });
  expect(planCopy('c:/windows', `${id}:/x`)).toMatchObject({ from: 'c:/windows' });
});

test.each([
  ['a', 'b', /neither side/],
  [`${id}:/a`, `${id}:/b`, /both sides/],
  [`${id}:relative`, 'b', /must be absolute/],
  ['vm-short:/a', 'b', /is not the id of a VM/],
  ['', `${id}:/a`, /empty/],
])('%s to %s is refused', (source, target, message) => {
  expect(() => planCopy(source, target)).toThrow(message);
});
