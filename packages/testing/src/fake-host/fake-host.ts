import {
  asHearthError,
  DESKTOP_PROTOCOL,
  drainSchema,
  encodeLine,
  execRequestSchema,
  execSignalSchema,
  HearthError,
  hostCreateVmSchema,
  hostRestartVmSchema,
  hostResumeVmSchema,
  parseWith,
  snapshotIdSchema,
  sweepRequestSchema,
  TERMINAL_PROTOCOL,
  toProblem,
  vmIdSchema,
  type HostCapacity,
  type HostEvent,
  type HostHealth,
  type HostVm,
  type VmId,
} from '@hearth/contract';
import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import { Socket } from 'node:net';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createCredentials, type FakeCredentials } from './credentials.ts';
import { createDisplays, defaultDisplayScript, type FakeDisplays } from './displays.ts';
import { createExecutions, type Executions } from './executions.ts';
import { createFiles, type Files } from './files.ts';
import { createRuns, type FakeRuns } from './runs.ts';
import { createSignins, type FakeSignins } from './signins.ts';
import { createTerminals, type FakeTerminals } from './terminals.ts';
import { createSnapshots, type Snapshots } from './snapshots.ts';
import { createUpkeep, type FakeUpkeep } from './upkeep.ts';
import { createWhys, type FakeWhys } from './whys.ts';
import { createMachines, defaultScript, type FakeHostScript, type Machines } from './machines.ts';

export interface FakeHost {
  readonly socketPath: string;
  readonly script: FakeHostScript;
  readonly machines: Machines;
  readonly executions: Executions;
  readonly displays: FakeDisplays;
  readonly runs: FakeRuns;
  readonly credentials: FakeCredentials;
  readonly signins: FakeSignins;
  readonly terminals: FakeTerminals;
  readonly upkeep: FakeUpkeep;
  /** `METHOD path requestId` of every call so far. */
  readonly calls: { method: string; path: string; requestId: string | undefined }[];
  readonly files: Map<string, Uint8Array>;
  /** Streams of events open now. */
  eventStreams(): number;
  /** Cuts every stream of events, as a restart of the daemon does. */
  cutEvents(): void;
  /** Stops to listen and drops all connections; the VMs live on. */
  stop(): Promise<void>;
  /** Listens again. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const STARTED_AT = performance.now();
const BEAT_MS = 5000;

/** The host daemon's API over a unix socket, with VMs that are timers. */
export async function startFakeHost(
  socketPath: string,
  script: Partial<FakeHostScript> = {},
): Promise<FakeHost> {
  const told: FakeHostScript = { ...defaultScript, ...script };
  const disks = createFiles();
  const machines = createMachines(told);
  const state = {
    socketPath,
    script: told,
    machines,
    whys: createWhys(machines),
    upkeep: createUpkeep(),
    snapshots: createSnapshots(told, machines),
    executions: createExecutions(),
    runs: createRuns(machines),
    credentials: createCredentials(machines),
    signins: createSignins(),
    terminals: createTerminals(),
    displays: createDisplays({ ...defaultDisplayScript }),
    calls: [] as FakeHost['calls'],
    disks,
    files: disks.bytes,
    events: new Set<ServerResponse>(),
  };
  const sockets = new Set<Socket>();
  let server: Server | null = null;

  const listen = async (): Promise<void> => {
    await rm(socketPath, { force: true });
    const next = createServer((request, response) => {
      answer(state, request, response).catch((error: unknown) => {
        sendProblem(response, asHearthError(error));
      });
    });
    next.on('upgrade', (request, socket, head) => {
      if (socket instanceof Socket) upgrade(state, request, socket, head);
    });
    next.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    next.listen(socketPath);
    await once(next, 'listening');
    server = next;
  };
  const stop = async (): Promise<void> => {
    const old = server;
    if (old === null) return;
    server = null;
    const closed = once(old, 'close');
    old.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    await rm(socketPath, { force: true });
  };

  await listen();
  return {
    ...state,
    eventStreams: () => state.events.size,
    cutEvents: () => {
      for (const response of state.events) response.destroy();
    },
    stop,
    restart: listen,
    close: async () => {
      state.machines.stop();
      state.signins.stop();
      await stop();
    },
  };
}

type State = Omit<FakeHost, 'eventStreams' | 'cutEvents' | 'stop' | 'restart' | 'close'> & {
  events: Set<ServerResponse>;
  disks: Files;
  snapshots: Snapshots;
  whys: FakeWhys;
};

/** @param takeSocket where the caller asks for another protocol: takes the connection away from HTTP */
async function answer(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
  takeSocket?: () => Socket,
): Promise<void> {
  const { machines, script } = state;
  const url = new URL(request.url ?? '/', 'http://host');
  const method = request.method ?? 'GET';
  const requestId = request.headers['x-request-id'];
  state.calls.push({ method, path: url.pathname, requestId: requestId?.toString() });
  const call = `${method} ${url.pathname}`;
  if (call === 'GET /v1/health') {
    sendJson(response, 200, health(script));
    return;
  }
  if (call === 'GET /v1/capacity') {
    sendJson(response, 200, capacity(state));
    return;
  }
  if (call === 'GET /v1/vms') {
    sendJson(response, 200, { vms: machines.list() });
    return;
  }
  if (call === 'GET /v1/snapshots') {
    sendJson(response, 200, state.snapshots.list());
    return;
  }
  const snapshot = /^DELETE \/v1\/snapshots\/([^/]+)$/.exec(call);
  if (snapshot !== null) {
    const wanted = parseWith(snapshotIdSchema, snapshot[1], 'bad_request', 'snapshot id');
    sendJson(response, 200, state.snapshots.remove(wanted));
    return;
  }
  if (call === 'GET /v1/events') {
    streamEvents(state, response);
    return;
  }

  if (await answerUpkeep(state, call, url, request, response)) return;

  const match = /^\/v1\/vms\/([^/]+)(?:\/(.+))?$/.exec(url.pathname);
  if (match === null) throw new HearthError('route_not_found', call);
  const id = parseWith(vmIdSchema, match[1], 'bad_request', 'VM id');
  const rest = match[2];
  if (rest !== undefined)
    return answerInside(state, { id, rest, method, url, request, response, takeSocket });
  switch (method) {
    case 'GET': {
      sendJson(response, 200, find(state, id));
      return;
    }
    case 'PUT': {
      const body = parseWith(hostCreateVmSchema, await readJson(request), 'bad_request', 'body');
      if (script.createDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, script.createDelayMs));
      if (script.refuseCreate !== null) throw script.refuseCreate;
      sendJson(response, 202, machines.create(id, body));
      return;
    }
    case 'DELETE': {
      sendJson(response, 200, await machines.remove(id));
      return;
    }
    default:
      throw new HearthError('method_not_allowed', call);
  }
}

/** The calls about the host itself; false where it is none of them. */
async function answerUpkeep(
  { machines, script, upkeep }: State,
  call: string,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  switch (call) {
    case 'POST /v1/sweep': {
      const { dryRun } = parseWith(sweepRequestSchema, await readJson(request), 'bad_request', 'body');
      sendJson(response, 200, upkeep.sweep(dryRun));
      return true;
    }
    case 'GET /v1/drift':
      sendJson(response, 200, upkeep.drift(url.searchParams.get('now') === 'true', machines.list().length));
      return true;
    case 'PUT /v1/drain':
      script.draining = parseWith(drainSchema, await readJson(request), 'bad_request', 'body').draining;
      sendJson(response, 200, { draining: script.draining });
      return true;
    case 'GET /v1/drain':
      sendJson(response, 200, { draining: script.draining });
      return true;
    case 'GET /v1/metrics':
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
      response.end(`# TYPE hearth_host_vms gauge\nhearth_host_vms ${machines.list().length}\n`);
      return true;
    default:
      return false;
  }
}

/** Requests that ask for another protocol are answered like all others, unless it is a desktop or a terminal that opens. */
function upgrade(state: State, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on('finish', () => socket.destroySoon());
  socket.on('error', () => socket.destroy());
  if (head.length > 0) socket.unshift(head);
  const takeSocket = (): Socket => {
    response.detachSocket(socket);
    return socket;
  };
  answer(state, request, response, takeSocket).catch((error: unknown) => {
    sendProblem(response, asHearthError(error));
  });
}

interface Inside {
  id: VmId;
  /** Path behind the VM's id. */
  rest: string;
  method: string;
  url: URL;
  request: IncomingMessage;
  response: ServerResponse;
  takeSocket: (() => Socket) | undefined;
}

async function answerInside(state: State, call: Inside): Promise<void> {
  const { id, rest, method, url, request, response } = call;
  if (rest === 'console' && method === 'GET') {
    streamConsole(state, call);
    return;
  }
  if (rest === 'hibernate' && method === 'POST') {
    sendJson(response, 200, await state.machines.hibernate(id));
    return;
  }
  if (rest === 'resume' && method === 'POST') {
    const body = parseWith(hostResumeVmSchema, await readJson(request), 'bad_request', 'body');
    sendJson(response, 202, state.machines.resume(id, body));
    return;
  }
  if (rest === 'restart' && method === 'POST') {
    parseWith(hostRestartVmSchema, await readJson(request), 'bad_request', 'body');
    sendJson(response, 202, state.machines.restart(id));
    return;
  }
  if (rest === 'why' && method === 'GET') {
    sendJson(response, 200, state.whys.answer(id, url.searchParams.get('stored') === 'true'));
    return;
  }
  const vm = find(state, id);
  if (rest === 'desktop' && method === 'GET') {
    if (call.takeSocket === undefined || request.headers.upgrade !== DESKTOP_PROTOCOL)
      throw new HearthError('bad_request', `a desktop is opened with \`Upgrade: ${DESKTOP_PROTOCOL}\``);
    if (vm.desktop === null) throw new HearthError('not_a_desktop', `${id} is a ${vm.kind} VM`, { vmId: id });
  }
  if (vm.state !== 'ready') throw new HearthError('vm_not_ready', `${id} is ${vm.state}`, { vmId: id });
  if (rest === 'desktop' && method === 'GET') {
    if (state.displays.script.refuse !== null) throw state.displays.script.refuse;
    if (call.takeSocket !== undefined) state.displays.accept(id, call.takeSocket());
    return;
  }
  const attached = /^terminals\/([^/]+)\/attach$/.exec(rest);
  if (attached !== null) {
    const found = state.terminals.find(id, attached[1] ?? '');
    if (call.takeSocket === undefined || request.headers.upgrade !== TERMINAL_PROTOCOL)
      throw new HearthError('bad_request', `a terminal is opened with \`Upgrade: ${TERMINAL_PROTOCOL}\``);
    state.terminals.attach(found, call.takeSocket());
    return;
  }
  if (rest === 'terminals' || rest.startsWith('terminals/')) {
    await state.terminals.answer({ vmId: id, method, rest, body: () => readJson(request), response });
    return;
  }
  if (rest.startsWith('credentials/')) {
    const body = await state.credentials.answer(id, method, rest, () => readJson(request));
    if (body === null) response.writeHead(204).end();
    else sendJson(response, 200, body);
    return;
  }
  if (rest === 'signin' || rest.startsWith('signin/')) {
    await state.signins.answer({ vmId: id, method, rest, body: () => readJson(request), response });
    return;
  }
  const query = Object.fromEntries(url.searchParams);
  if (rest.startsWith('runs/')) {
    await state.runs.answer({ vmId: id, method, rest, query, body: () => readJson(request), response });
    return;
  }
  if (rest === 'exec' && method === 'POST') {
    const body = parseWith(execRequestSchema, await readJson(request), 'bad_request', 'body');
    state.executions.start(body, response);
    return;
  }
  if (rest === 'folders' && method === 'GET') {
    sendJson(response, 200, state.disks.list(id, query));
    return;
  }
  if (rest === 'files' && method === 'GET') {
    const bytes = state.disks.read(id, query);
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': bytes.length,
    });
    response.end(bytes);
    return;
  }
  if (rest === 'files' && method === 'PUT') {
    sendJson(response, 200, state.disks.write(id, query, await readBytes(request)));
    return;
  }
  const match = /^exec\/([^/]+)\/(stdin|signal)$/.exec(rest);
  if (match?.[2] === 'stdin' && method === 'PUT') {
    await state.executions.stdin(match[1] ?? '', request);
    response.writeHead(204).end();
    return;
  }
  if (match?.[2] === 'signal' && method === 'POST') {
    const { signal } = parseWith(execSignalSchema, await readJson(request), 'bad_request', 'body');
    state.executions.signal(match[1] ?? '', signal);
    response.writeHead(204).end();
    return;
  }
  throw new HearthError('route_not_found', `${method} ${url.pathname}`);
}

function find({ machines }: State, id: VmId): HostVm {
  const vm = machines.get(id);
  if (vm === undefined) throw new HearthError('not_found', `there is no VM ${id} on this host`, { vmId: id });
  return vm;
}

function health({ degraded }: FakeHostScript): HostHealth {
  const names = ['bridge', 'dnsmasq', 'firewall', 'disk', 'image', 'vmm', 'snapshots'];
  return {
    status: degraded === null ? 'ok' : 'degraded',
    version: '0.1.0',
    uptimeSeconds: (performance.now() - STARTED_AT) / 1000,
    checks: names.map((name) => ({
      name,
      ok: name !== degraded,
      detail: name === degraded ? 'broken' : 'ok',
    })),
  };
}

function capacity({ machines, script }: State): HostCapacity {
  const awake = machines.list().filter(({ state }) => state !== 'hibernated' && state !== 'failed');
  const used = awake.reduce((sum, vm) => sum + vm.memMiB, 0);
  return {
    cpus: script.cpus,
    memMiB: script.memMiB,
    memFreeMiB: Math.max(0, script.memMiB - used),
    diskFreeMiB: 100_000,
    cpusFree: 16 * script.cpus - awake.reduce((sum, { cpus }) => sum + cpus, 0),
    starts: { running: 0, waiting: 0 },
    addressesFree: script.addresses - awake.length,
    accelerator: 'unknown',
  };
}

function streamEvents({ machines, events }: State, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();
  const send = (event: HostEvent): void => {
    response.write(encodeLine(event));
  };
  for (const vm of machines.list()) send({ type: 'vm', vm });
  const unsubscribe = machines.subscribe(send);
  const beat = setInterval(() => send({ type: 'beat' }), BEAT_MS);
  events.add(response);
  response.on('close', () => {
    events.delete(response);
    unsubscribe();
    clearInterval(beat);
  });
}

function streamConsole({ machines }: State, { id, url, response }: Inside): void {
  const text = machines.consoleOf(id);
  if (text === undefined) throw new HearthError('not_found', `there is no console of ${id}`, { vmId: id });
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  response.flushHeaders();
  const stamp = url.searchParams.get('timestamps') === 'true';
  const send = (part: string): void => {
    response.write(stamp ? part.replace(/^(?=.)/gm, '2026-01-01T00:00:00.000Z ') : part);
  };
  send(text);
  if (url.searchParams.get('follow') !== 'true' || machines.get(id) === undefined) {
    response.end();
    return;
  }
  const unsubscribe = machines.onConsole(id, send);
  const stopWatching = machines.subscribe((event) => {
    if (event.type === 'vm' && event.vm.id === id && event.vm.state === 'gone') response.end();
  });
  response.on('close', () => {
    unsubscribe();
    stopWatching();
  });
}

async function readBytes(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = Buffer.from(await readBytes(request)).toString();
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HearthError('bad_request', 'the body is not JSON', { cause });
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function sendProblem(response: ServerResponse, error: HearthError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(error.status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify(toProblem(error)));
}
