import { abortReason, HearthError } from '@hearth/contract';
import { execa, ExecaError } from 'execa';

export interface RunOptions {
  cwd?: string;
  /** Added to our own environment. */
  env?: Record<string, string>;
  timeoutMs: number;
  signal?: AbortSignal;
  /** Gets each line of standard output as it comes. */
  onLine?: (line: string) => void;
  /** The child writes to our own terminal instead. */
  inherit?: boolean;
}

export interface RunResult {
  /** 128 + the signal's number where one ended it, as a shell gives it. */
  exitCode: number;
  stdout: string;
  stderr: string;
}

export type Run = (command: string, args: readonly string[], options: RunOptions) => Promise<RunResult>;

const KEPT_OUTPUT_CHARACTERS = 32 * 1024 * 1024;

/**
 * Runs a program to its end. A non-zero exit code is the caller's to judge; what keeps it from running or from
 * ending in time is thrown.
 */
export const run: Run = async (command, args, options) => {
  const { cwd, env, timeoutMs, signal, onLine, inherit = false } = options;
  const child = execa(command, [...args], {
    timeout: timeoutMs,
    killSignal: 'SIGTERM',
    forceKillAfterDelay: 5000,
    maxBuffer: KEPT_OUTPUT_CHARACTERS,
    reject: true,
    ...(inherit ? { stdio: 'inherit' as const } : { stdin: 'ignore' as const }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  try {
    if (onLine !== undefined) for await (const line of child.iterable({ from: 'stdout' })) onLine(line);
    const { stdout, stderr } = await child;
    return { exitCode: 0, stdout: text(stdout), stderr: text(stderr) };
  } catch (error) {
    if (signal?.aborted === true) throw abortReason(signal);
    if (!(error instanceof ExecaError)) throw error;
    if (error.timedOut)
      throw new HearthError('deadline_exceeded', `${command} did not end within ${timeoutMs / 1000} s`, {
        cause: error,
        hint: 'Try again; if it recurs, run it by hand to see where it stops.',
      });
    if (error.code === 'ENOENT')
      throw new HearthError('requirement_missing', `the program ${command} cannot be started`, {
        cause: error,
      });
    return {
      exitCode: error.exitCode ?? 128 + signalNumber(error.signal),
      stdout: text(error.stdout),
      stderr: text(error.stderr),
    };
  }
};

/** execa's outputs are undefined where they were not read. */
function text(output: unknown): string {
  return typeof output === 'string' ? output : '';
}

function signalNumber(name: string | undefined): number {
  const numbers: Record<string, number> = {
    SIGHUP: 1,
    SIGINT: 2,
    SIGQUIT: 3,
    SIGABRT: 6,
    SIGKILL: 9,
    SIGSEGV: 11,
    SIGTERM: 15,
  };
  return numbers[name ?? ''] ?? 1;
}

/** Runs a program that must succeed. Its last lines are in the error. */
export async function runOrThrow(
  runProgram: Run,
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const result = await runProgram(command, args, options);
  if (result.exitCode === 0) return result;
  const words = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-6).join('\n').slice(-1500);
  throw new HearthError(
    'requirement_missing',
    `${command} ${args.join(' ').slice(0, 200)}: exit code ${result.exitCode}: ${words}`,
    {
      hint: 'Correct what its last words name, then run the same command again.',
    },
  );
}
