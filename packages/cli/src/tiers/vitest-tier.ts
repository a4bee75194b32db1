import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Run } from '../exec/run.ts';
import { repository } from '../setup/places.ts';
import type { TestFailure, Totals } from './result.ts';
import { readVitestReport } from './vitest-report.ts';

const TIER_TIMEOUT_MS = 2 * 3600_000;

/** Runs one of vitest's projects. `onLine` gets its words as they come. */
export async function runVitestProject(
  run: Run,
  project: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<Totals & { failures: TestFailure[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-test-'));
  const reportFile = join(folder, 'report.json');
  try {
    const { exitCode, stderr } = await run(
      process.execPath,
      [
        join(repository, 'node_modules/vitest/vitest.mjs'),
        ...['run', '--project', project, '--passWithNoTests'],
        ...['--reporter=verbose', '--reporter=json', `--outputFile.json=${reportFile}`],
      ],
      { cwd: repository, timeoutMs: TIER_TIMEOUT_MS, signal, onLine, env: { NO_COLOR: '1' } },
    );
    const report = await readReport(reportFile);
    if (report === undefined) {
      const message = `vitest ended with exit code ${exitCode} and no report: ${stderr.trim().slice(-2000)}`;
      return { passed: 0, failed: 1, skipped: 0, failures: [{ name: project, message }] };
    }
    return readVitestReport(report, exitCode);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readReport(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    // Vitest itself fell over: that is reported by its exit code and last words.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
