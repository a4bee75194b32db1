import { readFile } from 'node:fs/promises';
import { runOrThrow, type Run } from '../exec/run.ts';
import type { Step } from './steps.ts';

const USERADD_TIMEOUT_MS = 30_000;

/** The users that controller and VMMs become; neither can log in or owns a home. */
export function systemUsersStep(run: Run, names: readonly string[], signal: AbortSignal): Step {
  let missing: string[] = [];
  return {
    name: 'System users',
    expectedMs: 500,
    isDone: async () => {
      const passwd = await readFile('/etc/passwd', 'utf8');
      missing = [...new Set(names)].filter(
        (name) => !passwd.split('\n').some((line) => line.startsWith(`${name}:`)),
      );
      return missing.length === 0 ? names.join(', ') : null;
    },
    run: async () => {
      for (const name of missing) {
        const args = [
          '--system',
          '--user-group',
          '--no-create-home',
          '--home-dir',
          '/nonexistent',
          '--shell',
          '/usr/sbin/nologin',
          name,
        ];
        await runOrThrow(run, 'useradd', args, { timeoutMs: USERADD_TIMEOUT_MS, signal });
      }
      return `made ${missing.join(', ')}`;
    },
  };
}
