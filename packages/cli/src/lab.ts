import { Exit } from './exit-codes.ts';
import { run } from './exec/run.ts';
import { nodeArgs, programs, repository } from './setup/places.ts';

/** The first one on a machine builds the image and its golden snapshots. */
const LAB_TIMEOUT_MS = 2 * 3600_000;

export interface FaultLabOptions {
  only?: string[];
  list?: boolean;
  json?: boolean;
}

/** Runs the fault lab and ends with its exit code: 0 where all were named right. */
export async function runFaultLab({ only, list, json }: FaultLabOptions): Promise<void> {
  const args = [
    ...nodeArgs,
    programs.faultLab,
    ...(only ?? []).flatMap((name) => ['--only', name]),
    ...(list === true ? ['--list'] : []),
    ...(json === true ? ['--json'] : []),
  ];
  // A terminal sends it to the lab as well, which clears away what it made before it ends.
  const onInterrupt = (): void => undefined;
  process.on('SIGINT', onInterrupt);
  try {
    const { exitCode } = await run(process.execPath, args, {
      inherit: true,
      timeoutMs: LAB_TIMEOUT_MS,
      cwd: repository,
    });
    if (exitCode !== 0) throw new Exit(exitCode);
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}
