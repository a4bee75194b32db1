import { normalizeIP, type RateLimitPluginOptions } from '@fastify/rate-limit';
import { HearthError, type Config } from '@hearth/contract';
import type { FastifyRequest } from 'fastify';

/**
 * The allowances of requests; each is counted by itself, so that none eats up another.
 * calls: what is in no other one; pictures: thumbnails of desktops, which a page asks for by itself; streams: events, files, commands and whatever else stays open; pages: the pages and what they
 * load; signins: attempts to sign a browser in; health and metrics: what machines ask for all the time.
 */
export const budgets = ['calls', 'pictures', 'streams', 'pages', 'signins', 'health', 'metrics'] as const;
export type Budget = (typeof budgets)[number];

/** Nobody signs in more often by hand. */
const MAX_SIGNINS = 30;
/** An IPv6 network of one household or server. */
const IPV6_SUBNET_BITS = 64;

export const budgetOf = ({ routeOptions }: FastifyRequest): Budget => routeOptions.config.budget ?? 'calls';

/** Requests of a budget in one window, by one identity or address. */
export const maxOf = (budget: Budget, { max }: Config['controller']['rateLimit']): number =>
  budget === 'signins' ? Math.min(MAX_SIGNINS, max) : max;

/** F29: who is known counts by identity, who isn't by address; whoever tries to sign in is nobody yet. */
function keyOf(request: FastifyRequest): string {
  const budget = budgetOf(request);
  const { remoteAddress } = request.socket;
  // A unix socket has no address: the rehearsal at the start comes by one.
  const address = remoteAddress === undefined ? 'local' : normalizeIP(request.ip, IPV6_SUBNET_BITS);
  return `${budget} ${budget === 'signins' ? address : (request.identity?.userId ?? address)}`;
}

/** For @fastify/rate-limit; `onExceeded` is told of every refusal. */
export function rateLimitOptions(
  limits: Config['controller']['rateLimit'],
  onExceeded: (budget: Budget) => void,
): RateLimitPluginOptions {
  return {
    max: (request) => maxOf(budgetOf(request), limits),
    timeWindow: limits.windowMinutes * 60_000,
    // RateLimit-Limit, -Remaining and -Reset; Retry-After with a refusal.
    enableDraftSpec: true,
    keyGenerator: keyOf,
    onExceeded: (request) => onExceeded(budgetOf(request)),
    errorResponseBuilder: (request, { max, after }) =>
      new HearthError(
        'rate_limited',
        `more than ${max} requests of the class ${budgetOf(request)}; the allowance is new in ${after}`,
      ),
  };
}

/** RateLimit-Policy: the class of the call, its quota and the window in seconds. */
export const policyOf = (request: FastifyRequest, limits: Config['controller']['rateLimit']): string =>
  `"${budgetOf(request)}";q=${maxOf(budgetOf(request), limits)};w=${limits.windowMinutes * 60}`;
