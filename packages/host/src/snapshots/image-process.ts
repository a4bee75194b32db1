import { join } from 'node:path';
import { runToldChild, type ToldChildOptions } from '../images/told-child.ts';

const IMAGE_MAIN = join(import.meta.dirname, '../image-main.ts');

export interface ImageProcessOptions extends Pick<ToldChildOptions, 'onEvent' | 'signal'> {
  /** 0 as this process, 19 the last to be served. */
  niceness: number;
}

/**
 * Runs a verb of image-main.ts as a child that ends with this process: what hashes or searches gigabytes has no place in the
 * daemon. Throws the error that it told.
 */
export async function runImageProcess(
  args: readonly string[],
  { niceness, onEvent, signal }: ImageProcessOptions,
): Promise<void> {
  const command = ['-n', String(niceness), process.execPath, ...process.execArgv, IMAGE_MAIN, ...args];
  await runToldChild('nice', command, { signal, onEvent, code: 'snapshot_failed' });
}
