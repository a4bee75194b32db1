import { join } from 'node:path';
import { asHearthError, fromProblem, imageEventSchema, parseWith, type ImageEvent } from '@hearth/contract';
import { runBound } from '../images/bound-run.ts';

const IMAGE_MAIN = join(import.meta.dirname, '../image-main.ts');

export interface ImageProcessOptions {
  /** 0 as this process, 19 the last to be served. */
  niceness: number;
  onEvent: (event: ImageEvent) => void;
  signal: AbortSignal;
}

/**
 * Runs a verb of image-main.ts as a child that ends with this process: what hashes or searches gigabytes has no place in the
 * daemon. Throws the error that it told.
 */
export async function runImageProcess(
  args: readonly string[],
  { niceness, onEvent, signal }: ImageProcessOptions,
): Promise<void> {
  let failure: unknown = null;
  const onLine = (line: string): void => {
    if (!line.startsWith('{"type":')) return;
    const event = parseWith(imageEventSchema, JSON.parse(line), 'snapshot_failed', 'a line of image-main');
    if (event.type === 'error') failure = fromProblem(event.problem);
    else onEvent(event);
  };
  const command = ['-n', String(niceness), process.execPath, ...process.execArgv, IMAGE_MAIN, ...args];
  try {
    await runBound('nice', command, { signal, onLine, code: 'snapshot_failed' });
  } catch (error) {
    throw signal.aborted ? error : (failure ?? asHearthError(error, 'snapshot_failed'));
  }
}
