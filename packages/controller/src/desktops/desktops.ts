import {
  abortReason,
  asHearthError,
  closeCodeOf,
  desktopLimits,
  HearthError,
  makeId,
  startProgress,
  viewerIdSchema,
  type Config,
  type ControlAction,
  type CreateTicket,
  type DesktopState,
  type Log,
  type Ticket,
  type VmId,
} from '@hearth/contract';
import type { WebSocket } from 'ws';
import type { World } from '../clock.ts';
import type { DesktopGrant } from '../domain/tickets/ticket.ts';
import type { Identity } from '../domain/users/identity.ts';
import { goneForGood, requireDesktop, requireReach } from '../domain/vms/reach.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { HostLink } from '../host-link/host-link.ts';
import type { Activity } from '../vms/activity.ts';
import type { VmChanges } from '../vms/vm-changes.ts';
import type { VmService } from '../vms/vm-service.ts';
import { bridgeViewer, type Bridge } from './bridge.ts';
import { connectDisplay } from './connect-display.ts';
import { createDesktopBoard, type DesktopListener } from './desktop-board.ts';
import { createEncodingChooser } from './encoding-choice.ts';
import type { Tickets } from '../tickets/tickets.ts';

/** Everything before the first picture. The way to the display has a shorter deadline of its own, with a better reason. */
const OPEN_TIMEOUT_MS = 25_000;
/** RFC 6455: the viewer ended it on purpose; a lost network or a page that goes away says something else. */
const NORMAL_CLOSURE = 1000;

export interface DesktopsDeps {
  vms: VmService;
  activity: Activity;
  changes: VmChanges;
  host: HostLink;
  tickets: Tickets;
  config: Config;
  world: World;
  log: Log;
  /** Ends all views, with its reason, when the controller ends. */
  signal: AbortSignal;
}

/** Where a viewer comes from. */
export interface Caller {
  vmId: VmId;
  ticket: string;
  address: string;
  /** It came through a proxy, so that the address is not its own. */
  proxied: boolean;
  requestId: string;
}

export interface Desktops {
  /** Throws not_a_desktop, vm_not_ready, vm_deleted, forbidden for the view of another user, rate_limited. */
  issueTicket(identity: Identity, vm: VmRecord, body: CreateTicket): Promise<Ticket>;
  /** Shows the desktop to an open WebSocket, which it closes in the end; with the error's code where there was one. */
  show(socket: WebSocket, caller: Caller): Promise<void>;
  act(identity: Identity, vm: VmRecord, action: ControlAction): DesktopState;
  state(vmId: VmId): DesktopState;
  watch(vmId: VmId, listener: DesktopListener): () => void;
  /** Desktops with viewers or listeners. */
  size(): number;
}

/** The desktops of all VMs: who may open them, who watches, who drives. */
export function createDesktops(deps: DesktopsDeps): Desktops {
  const { vms, activity, changes, host, tickets, config, world, log, signal } = deps;
  // A VM that ends while it is watched says why. One that still boots may have listeners already.
  const board = createDesktopBoard({
    now: world.now,
    maxViewers: config.desktop.maxViewers,
    follow: (id, end) =>
      changes.subscribe(id, (vm) => {
        const reason =
          vm === null ? new HearthError('vm_deleted', `${id} is gone`, { vmId: id }) : goneForGood(vm);
        if (reason !== null) end(reason);
      }),
  });
  const chooseEncoding = createEncodingChooser(config.desktop.encoding);

  signal.addEventListener('abort', () => board.close(abortReason(signal)), { once: true });

  const markFirstFrame = async (vmId: VmId): Promise<void> => {
    try {
      await vms.markFirstFrame(vmId);
    } catch (error) {
      log('the first frame could not be written down', { vmId, code: asHearthError(error).code });
    }
  };

  const serve = async (socket: WebSocket, caller: Caller, gone: AbortSignal): Promise<HearthError | null> => {
    const { vmId, requestId } = caller;
    const grant = await tickets.spend(caller.ticket, { kind: 'desktop', vmId });
    const vm = await vms.find(grant.identity, vmId);
    requireDesktop(vm);
    requireReach(vm);
    if (signal.aborted) throw abortReason(signal);

    const ended = new AbortController();
    let bridge: Bridge | null = null;
    const place = board.enter(vmId, arrivalOf(grant), {
      close: (error) => ended.abort(error),
      releaseInput: () => bridge?.releaseInput(),
    });
    const fields = { vmId, requestId, viewerId: grant.viewerId, userId: grant.identity.userId };
    const endUse = activity.begin(vmId);
    let goodbye = false;
    socket.once('close', (code: number) => {
      goodbye = code === NORMAL_CLOSURE;
    });
    try {
      const progress = startProgress({
        what: `opening the desktop of ${vmId}`,
        timeoutMs: OPEN_TIMEOUT_MS,
        signal: AbortSignal.any([ended.signal, gone]),
        log,
      });
      const policy = await chooseEncoding(caller, () =>
        host.capacity({ signal: progress.signal, requestId }),
      );
      const display = await connectDisplay(host, vmId, progress);
      place.showGeometry(display.init);
      bridge = bridgeViewer({
        socket,
        display,
        policy,
        mayControl: place.mayControl,
        limits: desktopLimits,
        onNotice: place.notice,
        onGeometry: place.showGeometry,
        onFirstFrame: () => void markFirstFrame(vmId),
        signal: ended.signal,
      });
      log('a viewer is connected to a desktop', { ...fields, mode: grant.mode, policy });
      const error = await bridge.ended;
      log('a viewer is gone from a desktop', { ...fields, code: error?.code, detail: error?.detail });
      return error;
    } finally {
      place.leave(goodbye);
      endUse();
    }
  };

  return {
    issueTicket: async (identity, vm, { mode, viewerId: known, claim }) => {
      const viewerId = known ?? viewerIdSchema.parse(makeId('vw', world.randomBytes));
      board.checkViewer(vm.id, viewerId, identity.userId);
      const issued = await tickets.issue({ kind: 'desktop', vmId: vm.id, identity, viewerId, mode, claim });
      const path = `/api/vms/${vm.id}/desktop/rfb?ticket=${issued.ticket}`;
      return { ...issued, path, viewerId, mode };
    },
    show: async (socket, caller) => {
      const gone = new AbortController();
      socket.once('close', () => gone.abort(new HearthError('aborted', 'the viewer went away')));
      try {
        await serve(socket, caller, gone.signal);
      } catch (error) {
        const cause = asHearthError(error);
        const { vmId, requestId } = caller;
        if (!gone.signal.aborted)
          log('a viewer was turned away', { vmId, requestId, code: cause.code, detail: cause.detail });
        socket.close(closeCodeOf(cause.code), cause.code);
      }
    },
    act: (identity, vm, action) => board.act(vm.id, identity.userId, action),
    state: (vmId) => board.state(vmId),
    watch: (vmId, listener) => board.watch(vmId, listener),
    size: () => board.size(),
  };
}

/** Whoever may see a VM is its owner or an administrator, and takes the control at once. */
const arrivalOf = ({ identity, viewerId, mode, claim }: DesktopGrant) => ({
  viewerId,
  userId: identity.userId,
  user: identity.name,
  mode,
  mayTake: true,
  claim,
});
