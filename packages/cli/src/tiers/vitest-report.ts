import { z } from 'zod';
import type { TestFailure, Totals } from './result.ts';

/** What is read of vitest's JSON reporter (5.x). */
const reportSchema = z.object({
  success: z.boolean(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});

/** Counts tests; a file that did not even load, and a failure outside of all tests, count as failed tests. */
export function readVitestReport(report: unknown, exitCode: number): Totals & { failures: TestFailure[] } {
  const { success, testResults } = reportSchema.parse(report);
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failures: TestFailure[] = [
    ...tests
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => ({
        name: fullName,
        message: (failureMessages ?? []).join('\n'),
      })),
    ...testResults
      .filter(
        ({ status, assertionResults }) =>
          status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
      )
      .map(({ name, message }) => ({ name, message: message ?? 'the file did not run' })),
  ];
  if ((!success || exitCode !== 0) && failures.length === 0)
    failures.push({ name: 'outside of all tests', message: `vitest ended with exit code ${exitCode}` });
  const passed = tests.filter(({ status }) => status === 'passed').length;
  const failedTests = tests.filter(({ status }) => status === 'failed').length;
  return { passed, failed: failures.length, skipped: tests.length - passed - failedTests, failures };
}
