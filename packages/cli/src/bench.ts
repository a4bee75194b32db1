import { readdir } from 'node:fs/promises';
import { HearthError } from '@hearth/contract';
import { Exit } from './exit-codes.ts';
import { run } from './exec/run.ts';
import { debianPackagesStep, desktopBenchPackages } from './setup/debian-packages.ts';
import { nodeArgs, repository } from './setup/places.ts';

const BENCH_TIMEOUT_MS = 4 * 3600_000;

export async function runBench(
  name: string,
  { json, check }: { json?: boolean; check?: boolean },
): Promise<void> {
  const folder = `${repository}bench`;
  const known = (await readdir(folder))
    .filter((file) => /^[a-z0-9-]+\.ts$/.test(file))
    .map((file) => file.slice(0, -3));
  if (!known.includes(name))
    throw new HearthError('bad_request', `there is no bench "${name}"`, {
      hint: known.length === 0 ? 'There are no benches yet.' : `Known: ${known.join(', ')}.`,
    });
  if (name === 'desktop') await install(desktopBenchPackages);
  const args = [
    ...nodeArgs,
    `${folder}/${name}.ts`,
    ...(json === true ? ['--json'] : []),
    ...(check === true ? ['--check'] : []),
  ];
  const { exitCode } = await run(process.execPath, args, {
    inherit: true,
    timeoutMs: BENCH_TIMEOUT_MS,
    cwd: repository,
  });
  if (exitCode !== 0) throw new Exit(exitCode);
}

/** What only a bench needs; what it says goes to standard error, so that --json stays clean. */
async function install(packages: readonly string[]): Promise<void> {
  const { signal } = new AbortController();
  const step = debianPackagesStep({ run, packages, consent: { given: true, ask: null }, signal });
  if ((await step.isDone()) !== null) return;
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  await step.run({ stage: say, note: say });
}
