import {
  HearthError,
  isUp,
  providers as knownProviders,
  type AgentHealth,
  type GuestAddress,
  type GuestDisplay,
  type GuestIdentity,
  type GuestMessage,
  type HostMessage,
  type Log,
  type Provider,
  type ProviderId,
  type ServiceState,
} from '@hearth/contract';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { startControlChannel, type HandledMessage } from './control/channel.ts';
import type { ControlTransport } from './control/transport.ts';
import { answerCredentialMessage } from './credentials/credential-messages.ts';
import { createCredentialStore } from './credentials/credential-store.ts';
import type { LoginUsers } from './exec/login-user.ts';
import { createPipeStore } from './exec/pipes.ts';
import { sendJson } from './http/answer.ts';
import type { Route } from './http/context.ts';
import { execRoutes } from './http/exec-routes.ts';
import { fileRoutes } from './http/file-routes.ts';
import { createHttpServer } from './http/server.ts';
import { createTokenGate } from './http/token.ts';
import { watchAddress } from './network/address-watcher.ts';
import type { Probe } from './probes/probe.ts';
import { startServiceBoard, type ServiceBoard } from './probes/service-board.ts';
import { describeError } from './log.ts';
import type { GuestView } from './report/guest-view.ts';
import { makeReport } from './report/make-report.ts';
import { loadNativeModules } from './pty/native-modules.ts';
import { runRoutes } from './runs/run-routes.ts';
import { terminalRoutes } from './terminal/terminal-routes.ts';
import { createDesktopBrowser } from './signin/desktop-browser.ts';
import { createOpenLinks } from './signin/open-links.ts';
import { signinRoutes } from './signin/signin-routes.ts';
import { createSigninService } from './signin/signin-service.ts';
import type { GuestSystem } from './system/guest-system.ts';
import type { Freezer } from './system/freezer.ts';
import { takeClock, takeIdentity } from './system/identity.ts';
import { prepareSnapshot, WALLPAPER_UNIT } from './system/prepare-snapshot.ts';
import type { Trust } from './system/trust.ts';
import { writeVncPassword } from './system/vnc-password.ts';

export interface AgentOptions {
  version: string;
  listen: { address: string; port: number };
  transport: ControlTransport;
  system: GuestSystem;
  view: GuestView;
  freezer: Freezer;
  users: LoginUsers;
  /** For things that last no longer than the agent. */
  runtimeDir: string;
  /** The interface whose address is announced. */
  interfaceName: string;
  readAddresses: () => Promise<GuestAddress[]>;
  /** Where the VNC server finds its password. */
  vncPasswordFile: string;
  /** Takes the name servers of a new lease; never rejects. */
  adoptNameServers: (signal: AbortSignal) => Promise<void>;
  /** Takes the host's further certificate authorities. */
  trust: Trust;
  credentials: {
    /** Of the tmpfs that holds them. */
    folder: string;
    mount: (folder: string) => Promise<void>;
  };
  desktop: {
    /** Of Chromium's DevTools on loopback. */
    devtoolsPort: number;
    /** Unix socket on which programs of this VM hand links over. */
    linkSocket: string;
    /** What makes a tool open links there. */
    env: Readonly<Record<string, string>>;
  };
  /** For what runs say; on the VM's disk, root's alone. */
  spoolDir: string;
  /** The `node_modules` with node-pty and xterm; absolute. */
  modulesFolder: string;
  /** Tests bring their own. */
  providers?: Readonly<Partial<Record<ProviderId, Provider>>>;
  /** What a VM must prove beside the agent itself: its desktop where it has one. */
  probesFor: (display: GuestDisplay | null) => Probe[];
  /** The kernel's: a generator in the agent's own memory would go on alike in all clones of a snapshot. */
  randomBytes: (size: number) => Uint8Array;
  log: Log;
}

/** Between the thaw and the new wallpaper. */
const WALLPAPER_DELAY_MS = 1000;

type Configure = HostMessage & { type: 'configure' };

export interface RunningAgent {
  port: number;
  stop(): Promise<void>;
}

/** Starts the whole agent: HTTP, control channel, address watcher, probes. Rejects where the port can't be had. */
export async function startAgent({
  version,
  listen,
  transport,
  system,
  view,
  freezer,
  users: plainUsers,
  runtimeDir,
  interfaceName,
  readAddresses,
  vncPasswordFile,
  adoptNameServers,
  trust,
  credentials: { folder, mount },
  desktop,
  modulesFolder,
  spoolDir,
  providers = knownProviders,
  probesFor,
  randomBytes,
  log,
}: AgentOptions): Promise<RunningAgent> {
  const startedMs = performance.now();
  const bootId = await system.bootId();
  const gate = createTokenGate();
  const ended = new AbortController();
  let adopted = Promise.resolve();
  let identity: GuestIdentity | undefined;
  let display: GuestDisplay | null | undefined;
  let board: ServiceBoard | undefined;
  /** Set between `prepare-snapshot` and the next `configure`: the display that is painted in the snapshot. */
  let prepared: { display: GuestDisplay | null } | undefined;

  const services = (): ServiceState[] =>
    board?.services() ?? [{ name: 'agent', state: 'running', detail: version }];
  const health: Route = {
    method: 'GET',
    path: /^\/health$/,
    handle: async ({ response }) => {
      if (identity === undefined) throw new HearthError('agent_not_configured', 'the VM has no identity yet');
      const states = services();
      const body: AgentHealth = {
        status: states.every(isUp) ? 'ok' : 'degraded',
        version,
        uptimeSeconds: (performance.now() - startedMs) / 1000,
        vmId: identity.vmId,
        services: states,
      };
      sendJson(response, 200, body);
    },
  };
  const users: LoginUsers = {
    hearth: { ...plainUsers.hearth, variables: trust.env },
    root: { ...plainUsers.root, variables: trust.env },
  };
  const pipes = createPipeStore(runtimeDir);
  const exec = execRoutes({ users, pipes, randomBytes, log });
  const credentials = createCredentialStore({
    ...{ folder, mount, user: users.hearth, randomBytes, log, providers },
  });
  const signins = createSigninService({
    modules: () => loadNativeModules(modulesFolder),
    credentials,
    browser: createDesktopBrowser({ port: desktop.devtoolsPort, thaw: () => thaw() }),
    hasDesktop: () => display !== undefined && display !== null,
    desktopEnv: desktop.env,
    ...{ user: users.hearth, pipes, system, providers, randomBytes, log },
  });
  const signin = signinRoutes(signins);
  const inHome = { user: users.hearth, credentials, randomBytes, log };
  const runs = runRoutes({ ...inHome, pipes, spoolFolder: spoolDir });
  const modules = () => loadNativeModules(modulesFolder);
  const terminals = terminalRoutes({ ...inHome, modules, known: providers });
  const links = createOpenLinks({
    path: desktop.linkSocket,
    user: users.hearth,
    open: (url) => signins.takeLink(url),
    log,
  });
  const server = createHttpServer({
    routes: [
      health,
      ...exec.routes,
      ...fileRoutes(users, randomBytes),
      ...signin.routes,
      ...runs.routes,
      ...terminals.routes,
    ],
    authorize: (request) => gate.check(request),
    log,
  });

  const configure = async (message: Configure, receivedAtMs: number): Promise<undefined> => {
    if (message.identity.kind === 'browser' && message.display === null)
      throw new HearthError('bad_request', 'a browser VM needs a display');
    // First: whatever is made from here on must be this VM's own.
    await system.reseed(Buffer.from(message.seed, 'base64'));
    const isNewDisplay = !isDeepStrictEqual(display, message.display);
    // At the same time, as a clone is waited for.
    const [isNewCard] = await Promise.all([
      takeIdentity({
        ...{ identity: message.identity, isClone: prepared !== undefined },
        ...{ interfaceName, readAddresses, system, log },
      }),
      // The probes log in with the password: it is in force before they begin.
      isNewDisplay &&
        message.display !== null &&
        writeVncPassword(vncPasswordFile, message.display.vncPassword, users.hearth, randomBytes),
      trust.set(message.caCertificates),
      message.display !== null && links.start(),
    ]);
    if (isNewCard) watcher.restart();
    gate.set(message.token);
    if (isNewDisplay) {
      display = message.display;
      board?.stop();
      board = startServiceBoard({
        probes: probesFor(display),
        agentDetail: version,
        onChange: (states) => channel.send({ type: 'services', services: states }),
        log,
      });
    }
    // On a screen of another size the frozen browser would leave its old picture in a corner.
    if (prepared !== undefined && !isDeepStrictEqual(prepared.display?.geometry, message.display?.geometry))
      await thaw();
    await takeClock({ ...message, receivedAtMs, system, log });
    prepared = undefined;
    identity = message.identity;
    log('configured', { requestId: message.requestId, vmId: identity.vmId, kind: identity.kind });
  };
  const prepare = async (): Promise<undefined> => {
    prepared ??= { display: display ?? null };
    identity = undefined;
    display = undefined;
    gate.forget();
    board?.stop();
    board = undefined;
    signins.stop();
    await credentials.eraseAll();
    const hasDesktop = prepared.display !== null;
    await prepareSnapshot({ system, freezer, interfaceName, vncPasswordFile, hasDesktop });
    log('prepared for a snapshot');
    return undefined;
  };
  const thaw = async (): Promise<undefined> => {
    if (!(await freezer.thaw())) return undefined;
    log('thawed');
    board?.look();
    // It shows the golden's name until then. Nobody waits for it: who looks is to have the processor first.
    setTimeout(() => {
      if (ended.signal.aborted) return;
      system.restartUnit(WALLPAPER_UNIT).catch((error: unknown) => {
        log('the wallpaper could not be drawn anew', { error: describeError(error) });
      });
    }, WALLPAPER_DELAY_MS);
    return undefined;
  };
  // The host answers each hello, and hello is said until an answer came: on a slow machine several answers come at once.
  let lastTurn: Promise<unknown> = Promise.resolve();
  const inTurn = (begin: () => Promise<undefined>): Promise<undefined> => {
    const turn = lastTurn.then(begin, begin);
    lastTurn = turn;
    return turn;
  };
  const powerOff = async (): Promise<void> => {
    // What is frozen would not hear that it shall end.
    await freezer.thaw();
    await system.powerOff();
  };
  const handle = async (message: HandledMessage): Promise<unknown> => {
    switch (message.type) {
      case 'configure': {
        const receivedAtMs = performance.now();
        return inTurn(() => configure(message, receivedAtMs));
      }
      case 'prepare-snapshot':
        return inTurn(prepare);
      case 'thaw':
        return inTurn(async () => {
          if (prepared !== undefined)
            throw new HearthError(
              'agent_not_configured',
              'a prepared snapshot stays frozen until it is configured',
            );
          return thaw();
        });
      case 'credential-put':
      case 'credential-get':
      case 'credential-kept':
      case 'credential-drop':
        return answerCredentialMessage(credentials, message);
      case 'report':
        return makeReport({ system, view, readAddresses, interfaceName, services: services(), log });
      case 'shutdown':
        log('shutting down, as the host asked');
        // After the reply has left.
        setTimeout(() => {
          powerOff().catch((error: unknown) => {
            log('power off failed', { error: describeError(error) });
          });
        }, 50);
        return undefined;
    }
  };

  credentials.open().catch((error: unknown) => {
    log('earlier credentials could not be taken up', { error: describeError(error) });
  });
  const port = await listenOn(server, listen.address, listen.port);
  const stateMessages = (): GuestMessage[] => {
    const address = watcher.current();
    return [
      ...(address === null ? [] : [{ type: 'address' as const, address }]),
      { type: 'services', services: services() },
      { type: 'credentials', credentials: credentials.held() },
    ];
  };
  const channel = startControlChannel({
    transport,
    log,
    hello: () => ({ type: 'hello', agentVersion: version, bootId, uptimeSeconds: system.uptimeSeconds() }),
    handle,
    stateMessages,
  });
  credentials.onChange(() => channel.send({ type: 'credentials', credentials: credentials.held() }));
  const watcher = watchAddress({
    interfaceName,
    read: readAddresses,
    onChange: (address) => {
      log('address', { interface: address.interface, ip: address.ip, gateway: address.gateway });
      channel.send({ type: 'address', address });
      if (address.ip !== null) adopted = adopted.then(() => adoptNameServers(ended.signal));
    },
    log,
  });
  return {
    port,
    stop: async () => {
      ended.abort();
      channel.stop();
      watcher.stop();
      board?.stop();
      exec.stop();
      signin.stop();
      runs.stop();
      terminals.stop();
      links.stop();
      credentials.stop();
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listenOn(server: Server, address: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen(port, address, () => resolve((server.address() as AddressInfo).port));
  return promise;
}
