import {
  abortReason,
  asHearthError,
  closeCodeOf,
  HearthError,
  parseWith,
  pause,
  startProgress,
  terminalListSchema,
  terminalSchema,
  type CreateTerminal,
  type Log,
  type ProviderId,
  type RequestId,
  type Terminal,
  type TerminalId,
  type VmId,
} from '@hearth/contract';
import type { WebSocket } from 'ws';
import type { z } from 'zod';
import type { World } from '../clock.ts';
import type { CredentialService } from '../credentials/credential-service.ts';
import type { Identity } from '../domain/users/identity.ts';
import { goneForGood, requireHealthy, requireReach } from '../domain/vms/reach.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { ByteCall, HostLink } from '../host-link/host-link.ts';
import type { Tickets } from '../tickets/tickets.ts';
import type { Activity } from '../vms/activity.ts';
import type { VmChanges } from '../vms/vm-changes.ts';
import type { VmService } from '../vms/vm-service.ts';
import { bridgeTerminal } from './bridge.ts';

/** From the ticket to the first bytes; the host's own deadlines are shorter, and say what was missing. */
const OPEN_TIMEOUT_MS = 25_000;
/** A terminal that is typed into all the time marks its VM as used this often. */
const USE_PERIOD_MS = 15_000;
/** So long after a connection into a VM ended, it is known what became of the VM. */
const END_NEWS_MS = 300;
/** A list of terminals is short. */
const MAX_ANSWER_BYTES = 256 * 1024;

export interface TerminalsDeps {
  vms: VmService;
  activity: Activity;
  changes: VmChanges;
  credentials: Pick<CredentialService, 'handOver' | 'handOverAll' | 'busy'>;
  host: HostLink;
  tickets: Tickets;
  world: World;
  log: Log;
  /** Ends all connections, with its reason, when the controller ends. */
  signal: AbortSignal;
}

export interface TerminalCall {
  requestId: RequestId;
  signal: AbortSignal;
}

/** Where a viewer comes from. */
export interface TerminalCaller {
  vmId: VmId;
  terminalId: TerminalId;
  ticket: string;
  requestId: RequestId;
}

/** The terminals of CLI VMs; their state is in the VMs. */
export interface Terminals {
  /** Throws not_a_cli_vm, what reaching into the VM throws, credential_missing for a tool that isn't connected, terminal_limit. */
  create(vm: VmRecord, body: CreateTerminal, call: TerminalCall): Promise<Terminal>;
  list(vm: VmRecord, call: TerminalCall): Promise<Terminal[]>;
  /** Does any run, be it that nobody looks at it? */
  anyRuns(vm: VmRecord, signal: AbortSignal): Promise<boolean>;
  /** Ends it and what runs in it. Throws not_found. */
  remove(vm: VmRecord, terminalId: TerminalId, call: TerminalCall): Promise<void>;
  issueTicket(
    identity: Identity,
    vm: VmRecord,
    terminalId: TerminalId,
  ): Promise<{ ticket: string; path: string; expiresAt: string }>;
  /** Shows a terminal to an open WebSocket, which it closes in the end; with the error's code where there was one. */
  show(socket: WebSocket, caller: TerminalCaller): Promise<void>;
  /** Connections open now. */
  size(): number;
}

export function createTerminals(deps: TerminalsDeps): Terminals {
  const { vms, activity, changes, credentials, host, tickets, world, log, signal } = deps;
  /** Terminals of tools that somebody looks at: their VMs use the tools' credentials. */
  const watched = new Map<object, { vmId: VmId; provider: ProviderId | null }>();
  credentials.busy((vmId, provider) =>
    [...watched.values()].some((one) => one.vmId === vmId && one.provider === provider),
  );

  const pass = async (vm: VmRecord, call: Omit<ByteCall, 'vmId'>, options: TerminalCall): Promise<string> => {
    requireCliVm(vm);
    const { body } = await host.pass({ ...call, vmId: vm.id }, options);
    let text = '';
    for await (const chunk of body as AsyncIterable<Buffer>) {
      text += chunk.toString();
      if (text.length > MAX_ANSWER_BYTES) throw new HearthError('internal', 'the agent’s answer is too long');
    }
    return text;
  };
  const read = <T extends z.ZodType>(schema: T, text: string): z.infer<T> =>
    parseWith(schema, JSON.parse(text), 'internal', 'the agent’s answer');
  const list: Terminals['list'] = async (vm, call) =>
    read(terminalListSchema, await pass(vm, { method: 'GET', path: 'terminals' }, call)).terminals;

  const serve = async (socket: WebSocket, caller: TerminalCaller, gone: AbortSignal): Promise<void> => {
    const { vmId, terminalId, requestId } = caller;
    const { identity } = await tickets.spend(caller.ticket, { kind: 'terminal', vmId, terminalId });
    const vm = await vms.find(identity, vmId);
    requireCliVm(vm);
    requireReach(vm);
    const ended = new AbortController();
    const unsubscribe = changes.subscribe(vmId, (now) => {
      const reason =
        now === null ? new HearthError('vm_deleted', `${vmId} is gone`, { vmId }) : goneForGood(now);
      // While it is being saved it may still come back.
      if (reason !== null && now?.state !== 'hibernating') ended.abort(reason);
    });
    const seat = { vmId, provider: null as ProviderId | null };
    watched.set(seat, seat);
    const fields = { vmId, terminalId, requestId, userId: identity.userId };
    try {
      const { signal: opening } = startProgress({
        what: `opening ${terminalId}`,
        timeoutMs: OPEN_TIMEOUT_MS,
        signal: AbortSignal.any([ended.signal, gone, signal]),
        log,
      });
      const found = (await list(vm, { requestId, signal: opening })).find(({ id }) => id === terminalId);
      if (found?.exitCode === null) seat.provider = found.provider;
      const guest = await host.openTerminal(vmId, terminalId, { requestId, signal: opening });
      let usedAtMs = -Infinity;
      const onUse = (): void => {
        const nowMs = world.now().getTime();
        if (nowMs - usedAtMs < USE_PERIOD_MS) return;
        usedAtMs = nowMs;
        activity.touch(vmId);
      };
      const onExit = (): void => {
        seat.provider = null;
      };
      log('a viewer is connected to a terminal', fields);
      const both = AbortSignal.any([ended.signal, signal]);
      const explainEnd = async (): Promise<HearthError> => {
        // The host's word that the VM sleeps or is gone comes by another way.
        await pause(END_NEWS_MS, both);
        const reason = goneForGood(await vms.find(identity, vmId));
        return reason ?? new HearthError('vm_not_ready', `the way to ${terminalId} ended`, { vmId });
      };
      const error = await bridgeTerminal({ socket, guest, onUse, onExit, explainEnd, signal: both });
      log('a viewer is gone from a terminal', { ...fields, code: error?.code, detail: error?.detail });
    } finally {
      watched.delete(seat);
      unsubscribe();
    }
  };

  return {
    list,
    anyRuns: async (vm, until) => {
      const progress = startProgress({
        what: `looking for terminals in ${vm.id}`,
        timeoutMs: OPEN_TIMEOUT_MS,
        signal: until,
      });
      const requestId = vm.requestId as RequestId;
      const found = await list(vm, { requestId, signal: progress.signal });
      return found.some(({ exitCode }) => exitCode === null);
    },
    create: async (vm, body, call) => {
      requireCliVm(vm);
      requireHealthy(vm);
      // A tool that was asked for must be connected; in a shell what can't be handed over is missed only once it is used.
      if (body.provider !== undefined) await credentials.handOver(vm, body.provider, call);
      await credentials.handOverAll(vm, call);
      const text = await pass(vm, { method: 'POST', path: 'terminals', body: JSON.stringify(body) }, call);
      activity.touch(vm.id);
      return read(terminalSchema, text);
    },
    remove: async (vm, terminalId, call) => {
      await pass(vm, { method: 'DELETE', path: `terminals/${terminalId}` }, call);
    },
    issueTicket: async (identity, vm, terminalId) => {
      requireCliVm(vm);
      requireReach(vm);
      requireHealthy(vm);
      const issued = await tickets.issue({ kind: 'terminal', vmId: vm.id, identity, terminalId });
      return { ...issued, path: `/api/vms/${vm.id}/terminals/${terminalId}/ws?ticket=${issued.ticket}` };
    },
    show: async (socket, caller) => {
      const gone = new AbortController();
      socket.once('close', () => gone.abort(new HearthError('aborted', 'the viewer went away')));
      // What the viewer says before its terminal is open waits.
      socket.pause();
      try {
        if (signal.aborted) throw abortReason(signal);
        await serve(socket, caller, gone.signal);
      } catch (error) {
        const cause = asHearthError(error);
        const { vmId, terminalId, requestId } = caller;
        if (!gone.signal.aborted)
          log('a viewer was turned away', {
            vmId,
            terminalId,
            requestId,
            code: cause.code,
            detail: cause.detail,
          });
        socket.resume();
        socket.close(closeCodeOf(cause.code), cause.code);
      }
    },
    size: () => watched.size,
  };
}

function requireCliVm({ id, kind }: VmRecord): void {
  if (kind !== 'cli') throw new HearthError('not_a_cli_vm', `${id} is of kind ${kind}`, { vmId: id });
}
