import { run, type RunOptions, type RunResult } from '../exec/run.ts';

/** An image build is minutes long; each of its steps ends by itself well before that. */
const STEP_TIMEOUT_MS = 45 * 60_000;

/**
 * Runs a step of a build so that the kernel kills it when this process dies, however it dies: a build that was cut off
 * by kill -9 must not go on writing into the folder that the next one clears away.
 */
export async function runBound(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  return await run('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    timeoutMs: STEP_TIMEOUT_MS,
    code: 'image_build_failed',
    ...options,
  });
}
