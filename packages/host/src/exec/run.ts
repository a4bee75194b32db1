import { abortReason, HearthError, type ErrorCode } from '@hearth/contract';
import { execa, ExecaError } from 'execa';

export interface RunOptions {
  signal?: AbortSignal;
  input?: string;
  cwd?: string;
  /** The whole environment of the child; it inherits PATH only. */
  env?: Record<string, string>;
  timeoutMs?: number;
  /** Gets every line of both outputs as it comes. */
  onLine?: (line: string) => void;
  /** The error that a failure is reported as. */
  code?: ErrorCode;
  /** Exit codes that are no failure. */
  okCodes?: readonly number[];
}

export interface RunResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const KEPT_OUTPUT_BYTES = 64 * 1024 * 1024;
/** As the C library, Node and npm, and apt say it. */
const DISK_FULL = /No space left on device|\bENOSPC\b|enough free space/;

/**
 * Runs a program to its end; the one place where the host starts short children.
 * Throws HearthError(code) with the command, its exit code and its last words.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const {
    signal,
    input,
    cwd,
    env,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    onLine,
    code = 'internal',
    okCodes = [0],
  } = options;
  try {
    const child = execa(command, [...args], {
      extendEnv: false,
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        LC_ALL: 'C.UTF-8',
        ...env,
      },
      timeout: timeoutMs,
      killSignal: 'SIGTERM',
      forceKillAfterDelay: 5000,
      maxBuffer: KEPT_OUTPUT_BYTES,
      stripFinalNewline: true,
      ...(signal === undefined ? {} : { cancelSignal: signal }),
      ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
      ...(cwd === undefined ? {} : { cwd }),
    });
    if (onLine !== undefined) {
      const lines = onLine;
      for (const stream of [child.stdout, child.stderr]) forEachLine(stream, lines);
    }
    const result = await child;
    return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode ?? 0 };
  } catch (error) {
    if (signal?.aborted === true) throw abortReason(signal);
    if (!(error instanceof ExecaError)) throw error;
    const { stdout, stderr, exitCode } = error;
    if (exitCode !== undefined && okCodes.includes(exitCode))
      return { stdout: String(stdout), stderr: String(stderr), exitCode };
    const words = outputText(error.stderr) || outputText(error.stdout) || error.shortMessage;
    const full = DISK_FULL.test(words);
    const ended = error.timedOut
      ? `did not end within ${timeoutMs} ms`
      : `exit code ${exitCode ?? error.signal ?? 'none'}`;
    throw new HearthError(
      full ? 'disk_full' : code,
      `${command} ${args.join(' ').slice(0, 300)}: ${ended}: ${lastLines(words)}`,
      { cause: error },
    );
  }
}

function forEachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  if (stream === null) return;
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}

function lastLines(text: string): string {
  return text.split('\n').slice(-8).join('\n').slice(-1500);
}

/** execa leaves an output undefined where the program could not be started. */
function outputText(output: unknown): string {
  return typeof output === 'string' ? output.trim() : '';
}
