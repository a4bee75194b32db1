import { createVmSchema, vmIdSchema, vmListSchema, vmSchema, type ErrorCode } from '@hearth/contract';
import { z } from 'zod';
import { toView } from '../../domain/vms/vm-record.ts';
import type { Services } from '../services.ts';
import { caller, clientSignal } from '../access.ts';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { callOf } from '../ready-vm.ts';

const DELETE_WAIT_MS = 60_000;

export const vmParamsSchema = z.strictObject({ id: vmIdSchema });
const flag = z.stringbool().default(false);
export const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'expected 1 to 255 printable characters')
    .optional(),
});
/** What any call that makes a VM may answer. */
export const creationErrors: readonly ErrorCode[] = [
  'unauthenticated',
  'forbidden',
  'idempotency_mismatch',
  'quota_exceeded',
  'creation_paused',
  'host_draining',
  'capacity_exceeded',
  'addresses_exhausted',
  'image_missing',
  'host_unreachable',
  'body_too_large',
  'unsupported_media_type',
  'deadline_exceeded',
  'disk_full',
];

export function vmRoutes(app: App, services: Services): void {
  const { vms, stopping } = services;
  app.post(
    '/api/vms',
    {
      schema: {
        summary: 'Create a VM',
        description:
          'Answers as soon as the host took it over; follow its way to `ready` by GET /api/vms/{id}/events. Where a warm VM of ' +
          'the kind waits, and its default size is asked for, that one is given, and is `ready` at once. ' +
          'With an `Idempotency-Key` the same call made again within 24 hours gives the same VM. ' +
          'Where the host daemon does not answer, nothing is created.',
        tags: ['vms'],
        headers: idempotencyHeaders,
        body: createVmSchema,
        response: {
          ...errors(...creationErrors),
          201: answer('The VM, in state `starting`; `ready` where a warm VM was there', vmSchema),
        },
      },
    },
    async (request, reply) => {
      const { vm, replayed } = await vms.create(request.body, {
        ...callOf(request, reply, services),
        idempotencyKey: request.headers['idempotency-key'],
      });
      if (replayed) reply.header('idempotent-replayed', 'true');
      return reply.code(201).header('location', `/api/vms/${vm.id}`).send(toView(vm));
    },
  );

  app.get(
    '/api/vms',
    {
      schema: {
        summary: 'List VMs',
        description:
          'Your own, newest first, deleted ones until their retention ends; an administrator may ask for all.',
        tags: ['vms'],
        querystring: z.strictObject({ all: flag }),
        response: { ...errors('unauthenticated', 'forbidden'), 200: answer('The VMs', vmListSchema) },
      },
    },
    async (request) => ({ vms: (await vms.list(caller(request), request.query.all)).map(toView) }),
  );

  app.get(
    '/api/vms/:id',
    {
      schema: {
        summary: 'Show a VM',
        description: 'Its state, address, boot timeline and, where it failed, the cause.',
        tags: ['vms'],
        params: vmParamsSchema,
        response: { ...errors('unauthenticated', 'not_found'), 200: answer('The VM', vmSchema) },
      },
    },
    async (request) => toView(await vms.find(caller(request), request.params.id)),
  );

  app.delete(
    '/api/vms/:id',
    {
      schema: {
        summary: 'Delete a VM',
        description:
          'In any state, also while it boots. Its record and console stay until the retention ends. ' +
          'With `wait=true` the answer comes when nothing of it is left, after 60 seconds at the latest.',
        tags: ['vms'],
        params: vmParamsSchema,
        querystring: z.strictObject({ wait: flag }),
        response: {
          ...errors('unauthenticated', 'not_found'),
          200: answer('The VM is deleted', vmSchema),
          202: answer('The VM is being deleted', vmSchema),
        },
      },
    },
    async (request, reply) => {
      let vm = await vms.delete(caller(request), request.params.id);
      if (request.query.wait)
        vm = await vms.waitFor(vm, ({ state }) => state === 'deleted', {
          timeoutMs: DELETE_WAIT_MS,
          signal: clientSignal(reply, stopping),
        });
      return reply.code(vm.state === 'deleted' ? 200 : 202).send(toView(vm));
    },
  );
}
