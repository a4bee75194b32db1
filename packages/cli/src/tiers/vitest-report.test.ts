import { expect, test } from 'vitest';
import { addUp, closingLine, couldNotRun } from './result.ts';
import { readVitestReport } from './vitest-report.ts';

const file = (status: string, tests: [string, string][], message?: string) => ({
  name: 'a.test.ts',
  status,
  message,
  assertionResults: tests.map(([fullName, state]) => ({
    fullName,
    status: state,
    failureMessages: state === 'failed' ? ['expected 1'] : null,
  })),
});

test('tests are counted by their outcome', () => {
  const report = {
    success: false,
    testResults: [
      file('failed', [
        ['a', 'passed'],
        ['b', 'failed'],
        ['c', 'pending'],
        ['d', 'todo'],
      ]),
    ],
  };
  expect(readVitestReport(report, 1)).toEqual({
    passed: 1,
    failed: 1,
    skipped: 2,
    failures: [{ name: 'b', message: 'expected 1' }],
  });
});

test('a file that does not load is a failure, and so is an error outside of all tests', () => {
  expect(
    readVitestReport({ success: false, testResults: [file('failed', [], 'Cannot find module')] }, 1),
  ).toMatchObject({
    failed: 1,
    failures: [{ message: 'Cannot find module' }],
  });
  expect(
    readVitestReport({ success: true, testResults: [file('passed', [['a', 'passed']])] }, 1),
  ).toMatchObject({ passed: 1, failed: 1 });
});

test('a tier that cannot run is skipped, and a failure in CI where it must run', () => {
  expect(couldNotRun('vm', 'no root', false, 0)).toMatchObject({ failed: 0, skipped: 1 });
  expect(couldNotRun('vm', 'no root', true, 0)).toMatchObject({ failed: 1, skipped: 0 });
  expect(couldNotRun('lint', 'x', true, 0)).toMatchObject({ failed: 0, skipped: 1 });
});

test('the closing line sums up', () => {
  expect(
    closingLine(
      addUp([
        { passed: 3, failed: 0, skipped: 1 },
        { passed: 4, failed: 2, skipped: 0 },
      ]),
    ),
  ).toBe('7 passed, 2 failed, 1 skipped');
});
