import {
  checkWords,
  HearthError,
  layerOfCheck,
  makeFinding,
  startProgress,
  type HostVm,
  type VmId,
  type Why,
  type WhyCause,
  type WhyCheck,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import { eventOf, nextState } from '../domain/vms/state-table.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { CallOptions, HostLink } from '../host-link/host-link.ts';
import type { VmCall, VmService } from '../vms/vm-service.ts';

/** A host that has not shown a VM by then does not answer. */
const LOOK_TIMEOUT_MS = 5000;
/** The host's own limits are shorter, and longer on an emulated machine. */
const WHY_TIMEOUT_MS = 120_000;

export interface WhyDeps {
  vms: Pick<VmService, 'find'>;
  host: HostLink;
  world: World;
}

/** Answers why a VM can't be reached, from what is known here and what the host finds. */
export interface WhyService {
  /**
   * `stored`: what was found when it failed or stopped answering; throws not_found where nothing was kept. A host daemon that does
   * not answer is an answer.
   */
  ask(id: VmId, stored: boolean, call: VmCall): Promise<Why>;
}

export function createWhyService({ vms, host, world }: WhyDeps): WhyService {
  const options = (what: string, timeoutMs: number, { signal, requestId }: VmCall): CallOptions => ({
    signal: startProgress({ what, timeoutMs, signal }).signal,
    requestId,
  });
  const askHost = (id: VmId, stored: boolean, call: VmCall): Promise<Why> =>
    host.why(id, { stored }, options(`why of ${id}`, WHY_TIMEOUT_MS, call));
  /** What was kept, or else what the record alone tells. */
  const askOfTheDead = async (vm: VmRecord, call: VmCall): Promise<Why> => {
    try {
      return await askHost(vm.id, true, call);
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error;
      return ofTheRecord(vm, world.now());
    }
  };
  const look = async (vm: VmRecord, stored: boolean, call: VmCall): Promise<Why> => {
    const { id, state } = vm;
    if (stored) return askHost(id, true, call);
    if (state === 'deleted' || state === 'deleting') return askOfTheDead(vm, call);
    const seen = await host.get(id, options(`looking for ${id}`, LOOK_TIMEOUT_MS, call));
    if (seen === null) return askOfTheDead(vm, call);
    return compared(await askHost(id, false, call), vm, seen);
  };

  return {
    ask: async (id, stored, call) => {
      const vm = await vms.find(call.identity, id);
      const beganMs = performance.now();
      try {
        return await look(vm, stored, call);
      } catch (error) {
        if (call.signal.aborted || !(isCode(error, 'host_unreachable') || isCode(error, 'deadline_exceeded')))
          throw error;
        const tookMs = Math.round(performance.now() - beganMs);
        return { ...broken(vm, 'host_daemon_down', 'host', error.detail, world.now()), tookMs };
      }
    },
  };
}

const isCode = (error: unknown, code: HearthError['code']): error is HearthError =>
  error instanceof HearthError && error.code === code;

/** What the controller has written down, in one line each. */
function evidenceOf(vm: VmRecord): string[] {
  const { state, createdAt, readyAt, deletedAt, ip, failure } = vm;
  return [
    `the controller’s record: ${state}, of ${createdAt}, ${ip === null ? 'without an address' : `at ${ip}`}`,
    ...(readyAt === null ? [] : [`ready since ${readyAt}`]),
    ...(deletedAt === null ? [] : [`deleted at ${deletedAt}`]),
    ...(failure === null ? [] : [`failed at ${failure.at}: ${failure.title}: ${failure.detail}`]),
  ];
}

/** The host's answer, with what is written down here against what is there. */
function compared(why: Why, vm: VmRecord, seen: HostVm): Why {
  const event = eventOf(seen.state);
  const agrees = event === null || nextState(vm.state, event) === vm.state;
  const evidence = [...evidenceOf(vm), `the host: ${seen.state}`];
  const checks = why.checks.map((check): WhyCheck => {
    if (check.name !== 'record') return check;
    const all = { ...check, evidence: [...evidence, ...check.evidence] };
    if (agrees || check.status === 'broken') return all;
    return {
      ...all,
      status: 'unknown',
      says: `The controller says ${vm.state}, the host ${seen.state}: the next comparison, within a minute, tells which holds.`,
    };
  });
  return { ...why, checks };
}

/** Where the host has nothing of a VM. */
function ofTheRecord(vm: VmRecord, now: Date): Why {
  const { id, state, failure } = vm;
  if (state === 'requested')
    return notRunning(
      vm,
      `${id} is recorded and not yet given to the host; it is, as soon as the host takes it.`,
      now,
    );
  if (state === 'deleting')
    return notRunning(vm, `${id} is being deleted, and the host has nothing of it any more.`, now);
  if (state === 'deleted') return notRunning(vm, `${id} was deleted at ${vm.deletedAt ?? 'some time'}.`, now);
  if (failure !== null && failure.code !== 'vm_lost')
    return broken(vm, 'never_started', failure.layer, `${failure.title}: ${failure.detail}`, now);
  return broken(vm, 'unknown_to_host', 'host', `the record says ${state}, the host knows no ${id}`, now);
}

const recordCheck = (vm: VmRecord, part: Pick<WhyCheck, 'status' | 'says' | 'cause'>): WhyCheck => ({
  name: 'record',
  layer: layerOfCheck.record,
  evidence: evidenceOf(vm),
  ...part,
});

function broken(vm: VmRecord, cause: WhyCause, layer: WhyCheck['layer'], detail: string, now: Date): Why {
  const finding = makeFinding(cause, layer, detail, now);
  const says = `${finding.title}: ${detail}.`;
  const check = recordCheck(vm, { status: 'broken', says, cause });
  return {
    ...{ vmId: vm.id, at: now.toISOString(), trigger: 'asked', verdict: 'broken' },
    summary: `The ${checkWords.record} of ${vm.id}: ${finding.title}.`,
    finding,
    checks: [{ ...check, evidence: [...check.evidence, detail] }],
    tookMs: 0,
  };
}

const notRunning = (vm: VmRecord, summary: string, now: Date): Why => ({
  ...{ vmId: vm.id, at: now.toISOString(), trigger: 'asked', verdict: 'not_running', summary },
  finding: null,
  checks: [recordCheck(vm, { status: 'ok', says: summary, cause: null })],
  tookMs: 0,
});
