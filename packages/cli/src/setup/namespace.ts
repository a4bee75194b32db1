import { access } from 'node:fs/promises';
import { fromProblem, pause, problemSchema, startProgress, type Config } from '@hearth/contract';
import { z } from 'zod';
import { runOrThrow, type Run } from '../exec/run.ts';
import { nodeArgs, places, programs } from './places.ts';
import { identifyProcess, signalProcess } from './process-identity.ts';

/** For what is left in the namespace, before it is killed. */
const END_TIMEOUT_MS = 5000;
const LOOK_MS = 50;
const COMMAND_TIMEOUT_MS = 60_000;

/**
 * The namespace is Hearth's own, so whatever still runs in it is too: VMMs that an earlier `down --keep-vms` or a crash
 * left, and dnsmasq. With it go bridge, TAPs, firewall, the veth and the machine's side of the uplink.
 */
export async function endNamespace(run: Run, config: Config, signal: AbortSignal): Promise<void> {
  if (!(await exists(config.name))) return;
  for (const kill of ['SIGTERM', 'SIGKILL'] as const) {
    const progress = startProgress({
      what: `the end of the processes in ${config.name}`,
      timeoutMs: END_TIMEOUT_MS,
      signal,
    });
    let pids = await pidsInside(run, config.name, signal);
    for (const identity of await Promise.all(pids.map(identifyProcess)))
      if (identity !== null) await signalProcess(identity, kill);
    while (pids.length > 0 && progress.remainingMs() > 0) {
      await pause(LOOK_MS, signal);
      pids = await pidsInside(run, config.name, signal);
    }
    if (pids.length === 0) break;
  }
  await removeNamespace(run, config, signal);
}

/** Removes the namespace if nothing runs in it: after a start that failed, VMs of an earlier one go on. */
export async function removeEmptyNamespace(run: Run, config: Config, signal: AbortSignal): Promise<void> {
  if (!(await exists(config.name))) return;
  if ((await pidsInside(run, config.name, signal)).length === 0) await removeNamespace(run, config, signal);
}

/** The host package made it and knows what belongs to it. */
async function removeNamespace(run: Run, config: Config, signal: AbortSignal): Promise<void> {
  const args = [...nodeArgs, programs.namespace, '--config', places(config).effectiveConfig];
  const { stdout } = await run(process.execPath, args, { timeoutMs: COMMAND_TIMEOUT_MS, signal });
  const { problem } = z.object({ problem: problemSchema.optional() }).parse(JSON.parse(stdout));
  if (problem !== undefined) throw fromProblem(problem);
}

async function pidsInside(run: Run, name: string, signal: AbortSignal): Promise<number[]> {
  const { stdout } = await runOrThrow(run, 'ip', ['netns', 'pids', name], {
    timeoutMs: COMMAND_TIMEOUT_MS,
    signal,
  });
  return stdout
    .split('\n')
    .filter((line) => /^\d+$/.test(line))
    .map(Number);
}

async function exists(name: string): Promise<boolean> {
  return access(`/run/netns/${name}`).then(
    () => true,
    () => false,
  );
}
