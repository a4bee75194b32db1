import { PassThrough, Readable } from 'node:stream';
import {
  encodeLine,
  HearthError,
  hostCreateVmSchema,
  hostResumeVmSchema,
  parseWith,
  runLimits,
  vmIdSchema,
  type GoneVm,
  type HostCapacity,
  type HostEvent,
  type HostHealth,
  type HostVm,
  type VmId,
} from '@hearth/contract';
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { readConsole, type ConsoleFiles } from '../console/console-capture.ts';
import { addDesktopRoute } from '../desktop/desktop-route.ts';
import type { AgentClient, ForwardOptions } from '../guest-link/agent-client.ts';
import { addTerminalRoute } from '../tunnel/terminal-route.ts';
import type { HostMetrics } from '../metrics/host-metrics.ts';
import { acceptTunnels } from '../tunnel/tunnels.ts';
import type { VmHost } from '../vms/vm-host.ts';
import { addCredentialRoutes } from './credential-routes.ts';
import { addHealthRoutes } from './health-routes.ts';
import { logCalls } from './log-calls.ts';
import { answerProblems } from './problems.ts';
import { addSnapshotRoutes, type SnapshotRoutesDeps } from './snapshot-routes.ts';
import { addUpkeepRoutes, type UpkeepRoutesDeps } from './upkeep-routes.ts';

export interface HostServerDeps {
  vms: VmHost;
  agents: AgentClient;
  health: () => Promise<HostHealth>;
  capacity: () => Promise<HostCapacity>;
  metrics: HostMetrics;
  consoleFiles: (id: VmId) => Promise<ConsoleFiles>;
  snapshots: SnapshotRoutesDeps;
  /** None where nothing of the machine is looked at: the VMs are fakes. */
  upkeep?: UpkeepRoutesDeps;
  /** Throws forbidden where the caller's user may not talk to the daemon. */
  checkPeer: (request: FastifyRequest) => void;
  logger: FastifyBaseLogger;
}

const BEAT_MS = 5000;
/** Prompt and files, escaped and in base64. */
const MAX_RUN_BYTES = 4 * (runLimits.promptBytes + runLimits.fileBytes);

/** The host daemon's API, as contract/host-api.ts lists it. */
export function createHostServer({
  vms,
  agents,
  health,
  capacity,
  metrics,
  consoleFiles,
  snapshots,
  upkeep,
  checkPeer,
  logger,
}: HostServerDeps): FastifyInstance {
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    requestIdHeader: 'x-request-id',
    forceCloseConnections: true,
    exposeHeadRoutes: false,
  });
  answerProblems(app);
  logCalls(app);
  app.addHook('onRequest', (request, _reply, done) => {
    checkPeer(request);
    done();
  });
  // Bodies for the agent pass through as bytes.
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));

  const idOf = (request: FastifyRequest): VmId =>
    parseWith(vmIdSchema, (request.params as { id?: unknown }).id, 'bad_request', 'VM id');

  app.get('/v1/health', () => health());
  app.get('/v1/capacity', () => capacity());
  app.get('/v1/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
  app.get('/v1/vms', () => ({ vms: vms.list() }));
  app.get('/v1/vms/:id', (request) => vms.get(idOf(request)));
  app.put('/v1/vms/:id', (request, reply) => {
    const vm = vms.create(idOf(request), parseWith(hostCreateVmSchema, request.body, 'bad_request', 'VM'));
    return reply.code(202).send(vm);
  });
  app.post('/v1/vms/:id/hibernate', (request) => vms.hibernate(idOf(request)));
  app.post('/v1/vms/:id/resume', async (request, reply) => {
    const wanted = parseWith(hostResumeVmSchema, request.body, 'bad_request', 'resumption');
    return reply.code(202).send(await vms.resume(idOf(request), wanted));
  });
  app.delete('/v1/vms/:id', async (request) => {
    const id = idOf(request);
    await vms.destroy(id);
    return { id, state: 'gone' } satisfies GoneVm;
  });

  app.get('/v1/events', (_request, reply) => {
    const stream = new PassThrough();
    const send = (event: HostEvent): void => {
      stream.write(encodeLine(event));
    };
    for (const vm of vms.list()) send({ type: 'vm', vm });
    send({ type: 'beat' });
    const stop = vms.onChange((vm) => send({ type: 'vm', vm }));
    const timer = setInterval(() => send({ type: 'beat' }), BEAT_MS);
    stream.on('close', () => {
      stop();
      clearInterval(timer);
    });
    return reply.type('application/x-ndjson').send(stream);
  });

  app.get('/v1/vms/:id/console', async (request, reply) => {
    const id = idOf(request);
    const { follow, timestamps } = request.query as { follow?: string; timestamps?: string };
    const files = await consoleFiles(id);
    const ended = new AbortController();
    reply.raw.on('close', () => ended.abort());
    const text = readConsole(files, {
      follow: follow === 'true',
      timestamps: timestamps === 'true',
      isOver: () => !vms.isLive(id),
      signal: ended.signal,
    });
    return reply.type('text/plain; charset=utf-8').send(Readable.from(text));
  });

  addHealthRoutes(app, { idOf, vms });
  addSnapshotRoutes(app, snapshots);
  if (upkeep !== undefined) addUpkeepRoutes(app, upkeep);
  addCredentialRoutes(app, { idOf, credentials: (id) => vms.credentials(id) });
  const tunnels = acceptTunnels(app);
  addDesktopRoute(app, tunnels, {
    idOf,
    endpoint: (id) => vms.display(id),
    onEnd: (id, listener) =>
      vms.onChange((vm) => {
        if (vm.id === id && vm.state !== 'ready') listener();
      }),
  });
  // What goes on in the VM goes on while it is being saved: here if that fails, and in the saved memory if not.
  const onLost = (id: VmId, listener: (vm: HostVm) => void): (() => void) =>
    vms.onChange((vm) => {
      if (vm.id === id && vm.state !== 'ready' && vm.state !== 'hibernating') listener(vm);
    });
  addTerminalRoute(app, tunnels, { idOf, endpoint: (id) => vms.endpoint(id), onEnd: onLost });

  const forward = (route: { method: ForwardOptions['method']; url: string; bodyLimit?: number }): void => {
    app.route({
      ...route,
      handler: async (request, reply) =>
        forwardToAgent(request, reply, idOf(request), { vms, agents, onLost }),
    });
  };
  forward({ method: 'POST', url: '/v1/vms/:id/exec' });
  forward({ method: 'PUT', url: '/v1/vms/:id/exec/:execId/stdin' });
  forward({ method: 'POST', url: '/v1/vms/:id/exec/:execId/signal' });
  forward({ method: 'GET', url: '/v1/vms/:id/files' });
  forward({ method: 'PUT', url: '/v1/vms/:id/files' });
  forward({ method: 'GET', url: '/v1/vms/:id/folders' });
  forward({ method: 'PUT', url: '/v1/vms/:id/signin' });
  forward({ method: 'GET', url: '/v1/vms/:id/signin' });
  forward({ method: 'GET', url: '/v1/vms/:id/signin/events' });
  for (const order of ['code', 'open-url', 'cancel'])
    forward({ method: 'POST', url: `/v1/vms/:id/signin/${order}` });
  forward({ method: 'PUT', url: '/v1/vms/:id/runs/:runId', bodyLimit: MAX_RUN_BYTES });
  forward({ method: 'DELETE', url: '/v1/vms/:id/runs/:runId' });
  forward({ method: 'GET', url: '/v1/vms/:id/runs/:runId/output' });
  forward({ method: 'POST', url: '/v1/vms/:id/runs/:runId/cancel' });
  forward({ method: 'GET', url: '/v1/vms/:id/terminals' });
  forward({ method: 'POST', url: '/v1/vms/:id/terminals' });
  forward({ method: 'DELETE', url: '/v1/vms/:id/terminals/:terminalId' });
  return app;
}

interface ForwardDeps {
  /** Tells when the VM can't be reached any more; returns how to stop listening. */
  onLost: (id: VmId, listener: (vm: HostVm) => void) => () => void;
}

/** The agent has the same paths without the VM's prefix. The caller's going away goes on to the agent (F45). */
async function forwardToAgent(
  request: FastifyRequest,
  reply: FastifyReply,
  id: VmId,
  { vms, agents, onLost }: Pick<HostServerDeps, 'vms' | 'agents'> & ForwardDeps,
): Promise<FastifyReply> {
  const endpoint = vms.endpoint(id);
  const gone = new AbortController();
  reply.raw.on('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new HearthError('aborted', 'the caller went away'));
  });
  // Its agent goes without a word: a connection to it would stay open for minutes.
  const stop = onLost(id, (vm) =>
    gone.abort(new HearthError('vm_not_ready', `VM ${id} is ${vm.state}`, { vmId: id })),
  );
  reply.raw.on('close', stop);
  const { body } = request;
  const contentType = request.headers['content-type'];
  const answer = await agents.forward(endpoint, {
    method: request.method as ForwardOptions['method'],
    path: request.url.slice(`/v1/vms/${id}`.length),
    requestId: request.id,
    signal: gone.signal,
    ...(body === undefined || body === null
      ? {}
      : { body: body instanceof Readable ? body : JSON.stringify(body) }),
    ...(contentType === undefined ? {} : { contentType }),
  });
  const type = answer.headers['content-type'];
  if (type !== undefined) void reply.type(String(type));
  const length = answer.headers['content-length'];
  if (length !== undefined) void reply.header('content-length', length);
  return reply.code(answer.statusCode).send(answer.body);
}
