import {
  asHearthError,
  fromProblem,
  imageEventSchema,
  parseWith,
  type ErrorCode,
  type ImageEvent,
} from '@hearth/contract';
import { runBound } from './bound-run.ts';

export interface ToldChildOptions {
  signal: AbortSignal;
  /** What a failure of the child is reported as, unless it told one of its own. */
  code: ErrorCode;
  onEvent: (event: Exclude<ImageEvent, { type: 'error' }>) => void;
  /** Lines that are no event. */
  onText?: (line: string) => void;
}

/** Runs image-main.ts, in whatever wrapping, as a child that ends with this process. Throws the error that it told. */
export async function runToldChild(
  command: string,
  args: readonly string[],
  { signal, code, onEvent, onText }: ToldChildOptions,
): Promise<void> {
  let failure: unknown = null;
  const onLine = (line: string): void => {
    if (!line.startsWith('{"type":')) {
      onText?.(line);
      return;
    }
    const event = parseWith(imageEventSchema, JSON.parse(line), code, 'a line of image-main');
    if (event.type === 'error') failure = fromProblem(event.problem);
    else onEvent(event);
  };
  try {
    await runBound(command, args, { signal, onLine, code });
  } catch (error) {
    throw signal.aborted ? error : (failure ?? asHearthError(error, code));
  }
}
