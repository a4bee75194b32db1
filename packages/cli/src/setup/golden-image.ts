import type { Config } from '@hearth/contract';
import type { Run } from '../exec/run.ts';
import { formatBytes } from '../terminal/duration.ts';
import { runImageCommand } from './image-process.ts';
import type { Step } from './steps.ts';

/** Builds and gates; the build itself knows what it can reuse. */
export function goldenImageStep(run: Run, config: Config, signal: AbortSignal): Step {
  return {
    name: 'Golden image',
    // Bootstrapping and the gate on two cores without KVM.
    expectedMs: 6 * 60_000,
    isDone: () => Promise.resolve(null),
    run: async (report) => {
      let said = '';
      await runImageCommand(
        run,
        ['build', '--store', config.imageStore],
        (event) => {
          if (event.type === 'stage') report.stage(event.stage, event.expectedMs);
          if (event.type === 'message') report.note(event.text);
          if (event.type === 'check' && !event.ok)
            report.note(`gate: ${event.kind} VM: ${event.name} failed: ${event.detail}`);
          if (event.type === 'image') said = ` (${formatBytes(event.manifest.totalBytes)})`;
          if (event.type === 'done')
            said = `${event.imageId}${event.reused ? ', nothing had to be built' : ''}${said}`;
        },
        signal,
      );
      return said === '' ? `in ${config.imageStore}` : said;
    },
  };
}
