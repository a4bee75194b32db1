import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import { desktopLimits, makeId, requestIdSchema, vmIdSchema } from '@hearth/contract';
import { fastify, LogController, type FastifyBaseLogger, type FastifyRequest } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { guardAccess } from './access.ts';
import { serveDocs } from './docs-page.ts';
import { describeApi } from './documentation.ts';
import { drainOnStop } from './draining.ts';
import type { App } from './fastify.ts';
import { answerUnknownRoutes } from './not-found.ts';
import { sendProblem } from './problems.ts';
import { policyOf, rateLimitOptions } from './rate-limits.ts';
import { authRoutes } from './routes/auth.ts';
import { commandRoutes } from './routes/commands.ts';
import { credentialRoutes } from './routes/credentials.ts';
import { fileRoutes } from './routes/files.ts';
import { desktopRoutes } from './routes/desktop.ts';
import { desktopEventRoute } from './routes/desktop-events.ts';
import { desktopRfbRoute } from './routes/desktop-rfb.ts';
import { downloadRoutes } from './routes/downloads.ts';
import { faviconRoute } from './routes/favicon.ts';
import { metricsRoute } from './routes/metrics.ts';
import { hostRoutes } from './routes/host.ts';
import { lostPage, pageRoutes } from './routes/pages.ts';
import { runListRoute } from './routes/run-list.ts';
import { runRoutes } from './routes/runs.ts';
import { sessionRoutes } from './routes/session.ts';
import { snapshotRoutes } from './routes/snapshots.ts';
import { systemRoutes } from './routes/system.ts';
import { terminalRoutes } from './routes/terminals.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { userRoutes } from './routes/users.ts';
import { vaultRoutes } from './routes/vault.ts';
import { vmRoutes } from './routes/vms.ts';
import { vmPowerRoutes } from './routes/vm-power.ts';
import { vmStreamRoutes } from './routes/vm-streams.ts';
import type { ControllerMetrics } from '../metrics/controller-metrics.ts';
import { whyRoutes } from './routes/why.ts';
import type { Services } from './services.ts';
import { acceptWebSockets } from './web-sockets.ts';

const JSON_LIMIT_BYTES = 1024 * 1024;

export interface Api {
  app: App;
  /** Once `stopping` is aborted: resolves when the calls under way are answered. */
  drain: () => Promise<void>;
}

/** Builds the API; nothing listens yet. */
export async function buildApp(services: Services, logger: FastifyBaseLogger): Promise<Api> {
  const { config, metrics, world, version } = services;
  const { publicUrl, rateLimit: budget } = config.controller;
  const secure = publicUrl?.startsWith('https:') ?? false;
  const app: App = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: JSON_LIMIT_BYTES,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    requestIdHeader: false,
    // A file's name of 255 bytes, escaped.
    routerOptions: { maxParamLength: 3 * desktopLimits.fileNameBytes },
    genReqId: ({ headers }) => {
      const given = requestIdSchema.safeParse(headers['x-request-id']);
      return given.success ? given.data : makeId('req', world.randomBytes);
    },
    frameworkErrors: (error, request, reply) => {
      sendProblem(error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => {
    sendProblem(error, request, reply);
  });

  logRequests(app);
  measureRequests(app, metrics);
  const drain = drainOnStop(app, services.stopping);
  const setUnknownHandler = answerUnknownRoutes(app, lostPage(services));
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"] },
    },
    // `no-referrer` would make browsers send `Origin: null` with forms.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: secure,
  });
  await app.register(cookie);
  const cookieName = `${config.name}_session`;
  guardAccess(app, { access: services.access, cookieName, publicUrl });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('ratelimit-policy', policyOf(request, budget));
  });
  await app.register(
    rateLimit,
    rateLimitOptions(budget, (exceeded) => metrics.rateLimited(exceeded)),
  );
  setUnknownHandler();
  await acceptWebSockets(app);
  await describeApi(app, version);

  systemRoutes(app, services);
  metricsRoute(app, services);
  faviconRoute(app);
  tokenRoutes(app, services);
  sessionRoutes(app, services, { cookieName, secure });
  vmRoutes(app, services);
  vmPowerRoutes(app, services);
  vmStreamRoutes(app, services);
  whyRoutes(app, services);
  hostRoutes(app, services);
  userRoutes(app, services);
  snapshotRoutes(app, services);
  commandRoutes(app, services);
  fileRoutes(app, services);
  runRoutes(app, services);
  runListRoute(app, services);
  desktopRoutes(app, services);
  desktopEventRoute(app, services);
  desktopRfbRoute(app, services);
  downloadRoutes(app, services);
  terminalRoutes(app, services);
  authRoutes(app, services);
  credentialRoutes(app, services);
  vaultRoutes(app, services);
  pageRoutes(app, services);
  await serveDocs(app);
  return { app, drain };
}

/** One line a call, with its id; never a query (it may hold a code), a header or a body. */
function logRequests(app: App): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    reply.header('cache-control', 'no-store');
    // Not `onResponse`: it doesn't come where the client goes away first.
    reply.raw.once('close', () => {
      const fields = {
        method: request.method,
        path: request.url.split('?')[0],
        status: reply.sent && request.ws ? 101 : reply.statusCode,
        userId: request.identity?.userId,
        ...vmIdOf(request),
        durationMs: Math.round(reply.elapsedTime),
      };
      const message = reply.raw.writableFinished ? 'answered' : 'the client went away';
      const { budget } = request.routeOptions.config;
      if (budget === 'health' || budget === 'metrics') request.log.debug(fields, message);
      else request.log.info(fields, message);
    });
  });
}

/** Until the answer begins: a stream's length says how long somebody looked, not how long the server took. */
function measureRequests(app: App, metrics: ControllerMetrics): void {
  app.addHook('onSend', async ({ method, routeOptions }, { statusCode: status, elapsedTime: durationMs }) => {
    metrics.answered({ method, route: routeOptions.url ?? 'unknown', status, durationMs });
  });
}

/** Named by the path of a call, else nothing. */
const vmIdOf = ({ params }: FastifyRequest): { vmId?: string } => {
  const id = (params as { id?: unknown } | undefined)?.id;
  return typeof id === 'string' && vmIdSchema.safeParse(id).success ? { vmId: id } : {};
};
