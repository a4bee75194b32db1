import type { ErrorCode } from '@hearth/contract';
import { run } from '../exec/run.ts';

const TIMEOUT_MS = 15 * 60_000;

/** Copies a file; holes stay holes, and blocks are shared where the file system can do that. Throws HearthError(code), disk_full. */
export async function copySparse(
  from: string,
  to: string,
  { signal, code }: { signal: AbortSignal; code: ErrorCode },
): Promise<void> {
  await run('cp', ['--sparse=always', '--reflink=auto', from, to], { signal, code, timeoutMs: TIMEOUT_MS });
}
