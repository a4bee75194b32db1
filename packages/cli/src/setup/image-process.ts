import { HearthError, fromProblem, imageEventSchema, parseWith, type ImageEvent } from '@hearth/contract';
import type { Run } from '../exec/run.ts';
import { nodeArgs, programs } from './places.ts';

/** A full build on a slow machine, gate included. */
const IMAGE_TIMEOUT_MS = 2 * 3600_000;

/** Runs one of the image commands of the host package and gives each of its events as it comes. */
export async function runImageCommand(
  run: Run,
  args: readonly string[],
  onEvent: (event: ImageEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  let failure: HearthError | undefined;
  const result = await run(process.execPath, [...nodeArgs, programs.image, ...args], {
    timeoutMs: IMAGE_TIMEOUT_MS,
    signal,
    onLine: (line) => {
      if (line.trim() === '') return;
      const event = parseWith(
        imageEventSchema,
        parseJson(line),
        'image_build_failed',
        'line of the image command',
      );
      if (event.type === 'error') failure = fromProblem(event.problem);
      onEvent(event);
    },
  });
  if (failure !== undefined) throw failure;
  if (result.exitCode !== 0)
    throw new HearthError(
      'image_build_failed',
      `the image command ended with exit code ${result.exitCode}: ${result.stderr.trim().split('\n').slice(-5).join('\n')}`,
      { hint: 'Run `hearth image build` to see each of its steps.' },
    );
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new HearthError(
      'image_build_failed',
      `the image command printed what is no event: ${line.slice(0, 200)}`,
      { cause },
    );
  }
}
