import type { Config } from '@hearth/contract';
import type { Run } from '../exec/run.ts';
import { buildGatedImage } from './image-process.ts';
import type { Step } from './steps.ts';

/**
 * Builds and gates; the build itself knows what it can reuse.
 * @param onImage gets the image of this checkout: the store may hold newer ones of another
 */
export function goldenImageStep(
  run: Run,
  config: Config,
  signal: AbortSignal,
  onImage: (imageId: string) => void = () => undefined,
): Step {
  return {
    name: 'Golden image',
    // Bootstrapping and the gate on two cores without KVM.
    expectedMs: 6 * 60_000,
    isDone: () => Promise.resolve(null),
    run: async (report) => {
      const { imageId, reused } = await buildGatedImage(
        run,
        { store: config.imageStore, buildArgs: [] },
        (event) => {
          if (event.type === 'stage') report.stage(event.stage, event.expectedMs);
          if (event.type === 'message') report.note(event.text);
          if (event.type === 'check' && !event.ok)
            report.note(`gate: ${event.kind} VM: ${event.name} failed: ${event.detail}`);
        },
        signal,
      );
      onImage(imageId);
      return `${imageId}, ${reused ? 'nothing had to be built' : 'built and gated'}`;
    },
  };
}
