import { HearthError, fromProblem, imageEventSchema, parseWith, type ImageEvent } from '@hearth/contract';
import type { Run } from '../exec/run.ts';
import { compileCache, nodeArgs, programs } from './places.ts';

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
    env: { NODE_COMPILE_CACHE: compileCache },
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

export interface GatedImage {
  imageId: string;
  /** Nothing had to be built, and the gate had passed it before. */
  reused: boolean;
}

/** Builds what has changed and gates what was not gated: only a gated image is used (F3, F43). */
export async function buildGatedImage(
  run: Run,
  { store, buildArgs }: { store: string; buildArgs: readonly string[] },
  onEvent: (event: ImageEvent) => void,
  signal: AbortSignal,
): Promise<GatedImage> {
  const built: Extract<ImageEvent, { type: 'done' }>[] = [];
  await runImageCommand(
    run,
    ['build', '--store', store, ...buildArgs],
    (event) => {
      if (event.type === 'done') built.push(event);
      onEvent(event);
    },
    signal,
  );
  const [done] = built;
  if (done === undefined)
    throw new HearthError('image_build_failed', 'the build ended without saying which image it made');
  const { imageId, reused } = done;
  // An own question costs the start of a Node: asked only where the build did not say it.
  let passed = done.gate === 'passed';
  const onGate = (event: ImageEvent): void => {
    if (event.type === 'image') passed = event.gate?.status === 'passed';
  };
  if (done.gate === undefined)
    await runImageCommand(run, ['show', imageId, '--store', store], onGate, signal);
  if (passed) return { imageId, reused };
  onEvent({ type: 'message', text: `gating ${imageId}: it is booted and each of its capabilities is tried` });
  await runImageCommand(run, ['gate', imageId, '--store', store], onEvent, signal);
  return { imageId, reused: false };
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
