import type { VmId } from '@hearth/contract';
import { dnsmasqPids, vmmPids, type HearthLab } from '@hearth/testing';
import { mineDaemon, type DaemonName, type MinedDaemon, type Side } from './daemons.ts';
import { until } from './hearth-api.ts';
import { followHost } from './host-events.ts';
import type { Operation, OperationName } from './operations.ts';

/** One death to be survived: of a daemon at a write of its journal, or of a process at a phase of the operation. */
export type Kill =
  | { operation: OperationName; victim: DaemonName; at: number; side: Side }
  | { operation: OperationName; victim: 'dnsmasq' | 'vmm'; phase: string };

export type Victim = Kill['victim'];
export const victims: readonly Victim[] = ['controller', 'host', 'dnsmasq', 'vmm'];

export function describeKill(kill: Kill): string {
  const when = 'phase' in kill ? `at ${kill.phase}` : `${kill.side} write ${kill.at}`;
  return `${kill.operation}: ${kill.victim} ${when}`;
}

export interface KillOutcome {
  /** The process was there and is dead. */
  killed: boolean;
  /** The write that it died at, in SQL. */
  write: string | null;
  /** How the operation ended for its caller; null: well. */
  error: string | null;
}

const VMM_TIMEOUT_MS = 10_000;

/** What no kill may hit. */
export interface Spared {
  vm: VmId;
  vmmPid: number;
}

/** Performs an operation and kills its victim on the way. */
export async function performKill(
  kill: Kill,
  operation: Operation,
  { lab, folder, spared }: { lab: HearthLab; folder: string; spared: Spared },
): Promise<KillOutcome> {
  return 'phase' in kill
    ? killAtPhase(kill, operation, lab, spared)
    : killAtWrite(kill, operation, await mineDaemon(lab, kill.victim, folder));
}

async function killAtWrite(
  { at, side }: { at: number; side: Side },
  operation: Operation,
  daemon: MinedDaemon,
): Promise<KillOutcome> {
  await daemon.arm(at, side);
  const performed = operation
    .perform(() => undefined)
    .then(
      () => null,
      (error: unknown) => String(error),
    );
  // Nobody waits for an answer of a daemon that died, but the caller must have let go before the next one is there.
  const error = await Promise.race([performed, daemon.died.then(() => 'the daemon died')]);
  const steps = await daemon.steps();
  // Who was told that the daemon hung up may know of its death before we do.
  const killed = steps.length >= at;
  if (killed) await daemon.died;
  else await daemon.arm(0, 'after');
  return { killed, write: killed ? (steps.at(-1) ?? null) : null, error };
}

async function killAtPhase(
  { victim, phase }: { victim: 'dnsmasq' | 'vmm'; phase: string },
  operation: Operation,
  { config }: HearthLab,
  spared: Spared,
): Promise<KillOutcome> {
  const kills: Promise<boolean>[] = [];
  const find = async (): Promise<number | undefined> =>
    victim === 'dnsmasq'
      ? (await dnsmasqPids(config.runDir))[0]
      : (await vmmPids(config)).find((pid) => pid !== spared.vmmPid);
  const strike = async (): Promise<boolean> => {
    const pid = await until('the victim', find, (found) => found !== undefined, {
      ...{ timeoutMs: VMM_TIMEOUT_MS, everyMs: 2 },
    });
    if (pid === undefined) return false;
    process.kill(pid, 'SIGKILL');
    return true;
  };
  const onPhase = (reached: string): void => {
    // One that is gone by itself by then is no kill.
    if (reached === phase && kills.length === 0) kills.push(strike().catch(() => false));
  };
  const ending = new AbortController();
  const following = followHost(
    config,
    ({ id }, what) => {
      if (id !== spared.vm) onPhase(what);
    },
    ending.signal,
  ).catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  try {
    const error = await operation.perform(onPhase).then(
      () => null,
      (cause: unknown) => String(cause),
    );
    const killed = (await Promise.all(kills)).includes(true);
    return { killed, write: null, error };
  } finally {
    ending.abort();
    await following;
  }
}

/** How many writes each daemon makes in an operation that goes well. */
export async function countWrites(
  operation: Operation,
  lab: HearthLab,
  folder: string,
): Promise<Record<DaemonName, number>> {
  const host = await mineDaemon(lab, 'host', `${folder}-host`);
  const controller = await mineDaemon(lab, 'controller', `${folder}-controller`);
  await operation.prepare();
  for (const daemon of [host, controller]) await daemon.arm(0, 'after');
  await operation.perform(() => undefined);
  return { host: (await host.steps()).length, controller: (await controller.steps()).length };
}
