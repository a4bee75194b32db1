import { HearthError, toProblem } from '@hearth/contract';
import { expect, test } from 'vitest';
import { makePaint } from './output.ts';
import { renderCauses, renderProblem } from './problem.ts';
import { renderRunning } from './step-display.ts';
import { renderTable } from './table.ts';
import { formatAge, formatBytes, formatDuration } from './duration.ts';

const plain = makePaint(false);

test('an error is three short lines: what, where, what to do', () => {
  const error = new HearthError('quota_exceeded', '10 of 10 VMs are in use');
  expect(renderProblem(toProblem(error, 'req-12345678'), plain)).toBe(
    [
      'error: Your quota of VMs is used up: 10 of 10 VMs are in use',
      '  where: controller · request req-12345678',
      '  what to do: Delete a VM that you no longer need (`hearth vm rm ID`).',
    ].join('\n'),
  );
});

test('F38: the chain of causes is kept for --verbose', () => {
  const cause = new Error('connect ECONNREFUSED', { cause: new Error('socket') });
  const lines = renderCauses(new HearthError('internal', 'x', { cause })).join('\n');
  expect(lines).toContain('caused by: Error: connect ECONNREFUSED');
  expect(lines).toContain('caused by: Error: socket');
});

test('the line of a running step fits the terminal and is never full', () => {
  const step = {
    step: 'Golden image',
    stage: 'a stage with a name that is much too long for a narrow terminal',
    startMs: 0,
    expectedMs: 1000,
  };
  const line = renderRunning(step, 5000, { paint: plain, columns: 80 });
  expect(line.length).toBeLessThanOrEqual(80);
  expect(line).toContain('░');
});

test('tables align whatever is coloured', () => {
  expect(
    renderTable(
      ['A', 'B'],
      [
        ['\u001b[32mlong\u001b[39m', 'x'],
        ['y', 'z'],
      ],
    ),
  ).toBe('A     B\n\u001b[32mlong\u001b[39m  x\ny     z');
});

test('durations, sizes and ages read well', () => {
  expect([7.4, 7432, 102_000].map(formatDuration)).toEqual(['7 ms', '7.4 s', '1:42 min']);
  expect([12, 2048, 5.5 * 1024 ** 3].map(formatBytes)).toEqual(['12 bytes', '2.0 KiB', '5.5 GiB']);
  expect(formatAge('2026-01-01T00:00:00Z', Date.parse('2026-01-01T02:00:00Z'))).toBe('2 h');
});
