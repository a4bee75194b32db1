import {
  breakerSchema,
  drainRequestSchema,
  drainStateSchema,
  driftReportSchema,
  hostStateSchema,
  sweepReportSchema,
  sweepRequestSchema,
  type ErrorCode,
} from '@hearth/contract';
import { z } from 'zod';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { callOf } from '../ready-vm.ts';
import type { Services } from '../services.ts';

const hostErrors: readonly ErrorCode[] = [
  'unauthenticated',
  'forbidden',
  'host_unreachable',
  'deadline_exceeded',
];
const bodyErrors: readonly ErrorCode[] = [...hostErrors, 'body_too_large', 'unsupported_media_type'];

/** The host itself: for administrators. */
export function hostRoutes(app: App, services: Services): void {
  const { host, hostState, drain, breaker } = services;
  app.get(
    '/api/host',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Show the host',
        description:
          'What is free, whether VMs are created, what drifted and could not be repaired, and which VMs don’t answer. For administrators.',
        tags: ['system'],
        response: { ...errors(...hostErrors), 200: answer('The host', hostStateSchema) },
      },
    },
    async (request, reply) => hostState(callOf(request, reply, services)),
  );

  app.get(
    '/api/host/drift',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'What differs from what it should be?',
        description:
          'The last comparison of the host’s book with kernel, bridge, dnsmasq, firewall, processes and disks, and what became of ' +
          'each difference; with `now=true` one that is made for this call. For administrators.',
        tags: ['system'],
        querystring: z.strictObject({ now: z.stringbool().default(false) }),
        response: { ...errors(...hostErrors), 200: answer('The report', driftReportSchema) },
      },
    },
    async (request, reply) => host.drift({ now: request.query.now }, callOf(request, reply, services)),
  );

  app.post(
    '/api/host/sweep',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Remove what has no record',
        description:
          'Processes, interfaces, leases, rules, sockets, disks and folders that belong to no VM, each one named. With `dryRun` ' +
          'they are only told. For administrators.',
        tags: ['system'],
        body: sweepRequestSchema,
        response: { ...errors(...bodyErrors), 200: answer('What was found', sweepReportSchema) },
      },
    },
    async (request, reply) => host.sweep(request.body, callOf(request, reply, services)),
  );

  app.get(
    '/api/host/drain',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'How far is the host drained?',
        description: 'Whether it takes VMs, and how many there are. For administrators.',
        tags: ['system'],
        response: { ...errors(...hostErrors), 200: answer('What is still there', drainStateSchema) },
      },
    },
    async (request, reply) => drain.show(callOf(request, reply, services)),
  );

  app.put(
    '/api/host/drain',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Drain the host, or end that',
        description:
          'While it drains it takes no VM and resumes none, also after a restart. With `hibernate` CLI VMs in which nothing runs are ' +
          'hibernated and warm VMs deleted; that goes on after the answer: ask again until `starting` and `running` are 0. For administrators.',
        tags: ['system'],
        body: drainRequestSchema,
        response: { ...errors(...bodyErrors), 200: answer('What is still there', drainStateSchema) },
      },
    },
    async (request, reply) => drain.set(request.body, callOf(request, reply, services)),
  );

  app.delete(
    '/api/host/breaker',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Close the circuit breaker',
        description:
          'VMs are created again, whatever failed until now; it opens again if they go on failing. For administrators.',
        tags: ['system'],
        response: {
          ...errors('unauthenticated', 'forbidden'),
          200: answer('The circuit breaker', breakerSchema),
        },
      },
    },
    async () => breaker.reset(),
  );
}
