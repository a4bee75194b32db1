import { resumeVmSchema, vmSchema, type ErrorCode } from '@hearth/contract';
import { toView } from '../../domain/vms/vm-record.ts';
import { answer, errors } from '../documentation.ts';
import type { App } from '../fastify.ts';
import { callOf } from '../ready-vm.ts';
import type { Services } from '../services.ts';
import { creationErrors, idempotencyHeaders, vmParamsSchema } from './vms.ts';

const powerErrors: readonly ErrorCode[] = [
  'unauthenticated',
  'not_found',
  'not_hibernatable',
  'vm_not_ready',
  'vm_deleted',
  'host_unreachable',
  'deadline_exceeded',
  'disk_full',
];

export function vmPowerRoutes(app: App, services: Services): void {
  const { vms } = services;
  app.post(
    '/api/vms/:id/hibernate',
    {
      schema: {
        summary: 'Hibernate a VM',
        description:
          'Its memory and disk become files, and everything else is given back; answers once that is done. For CLI VMs. ' +
          'Where it fails the VM goes on as before. Commands and files resume it by themselves.',
        tags: ['vms'],
        params: vmParamsSchema,
        response: {
          ...errors(...powerErrors, 'snapshot_failed'),
          200: answer('The VM, in state `hibernated`', vmSchema),
        },
      },
    },
    async (request, reply) =>
      toView(await vms.hibernate(request.params.id, callOf(request, reply, services))),
  );

  app.post(
    '/api/vms/:id/resume',
    {
      schema: {
        summary: 'Resume a hibernated VM',
        description:
          'With all that ran in it; answers as soon as the host took it over. Its address may be another one. With `cold` its ' +
          'disk is booted without the saved memory. Where it fails the VM is `hibernated` again, with the cause.',
        tags: ['vms'],
        params: vmParamsSchema,
        body: resumeVmSchema,
        response: {
          ...errors(
            ...powerErrors,
            'capacity_exceeded',
            'addresses_exhausted',
            'snapshot_invalid',
            'body_too_large',
            'unsupported_media_type',
          ),
          200: answer('The VM as it is: it runs or starts already', vmSchema),
          202: answer('The VM, in state `starting`', vmSchema),
        },
      },
    },
    async (request, reply) => {
      const call = callOf(request, reply, services);
      const { vm, begun } = await vms.resume(request.params.id, request.body.cold, call);
      return reply.code(begun ? 202 : 200).send(toView(vm));
    },
  );

  app.post(
    '/api/vms/:id/restart',
    {
      schema: {
        summary: 'Restart a VM',
        description:
          'Ends its virtual machine, as a power cut does, and boots its disk anew; answers as soon as the host took it over. For CLI ' +
          'VMs that are `ready`, also such that don’t answer. What runs in it ends; its disk, its id and its address stay.',
        tags: ['vms'],
        params: vmParamsSchema,
        response: {
          ...errors(
            'unauthenticated',
            'not_found',
            'conflict',
            'vm_deleted',
            'host_unreachable',
            'deadline_exceeded',
          ),
          202: answer('The VM, in state `starting`', vmSchema),
        },
      },
    },
    async (request, reply) => {
      const vm = await vms.restart(request.params.id, callOf(request, reply, services));
      return reply.code(202).send(toView(vm));
    },
  );

  app.post(
    '/api/vms/:id/fork',
    {
      schema: {
        summary: 'Fork a VM',
        description:
          'Makes a new VM of the same owner from the memory and disk of a CLI VM, which is `ready` or `hibernated` and goes on ' +
          'as it is. The copy has an identity of its own. It counts as one of the owner’s VMs.',
        tags: ['vms'],
        params: vmParamsSchema,
        headers: idempotencyHeaders,
        response: {
          ...errors(...powerErrors, ...creationErrors, 'snapshot_failed', 'snapshot_invalid'),
          201: answer('The new VM', vmSchema),
        },
      },
    },
    async (request, reply) => {
      const call = callOf(request, reply, services);
      const idempotencyKey = request.headers['idempotency-key'];
      const { vm, replayed } = await vms.fork(request.params.id, { ...call, idempotencyKey });
      if (replayed) reply.header('idempotent-replayed', 'true');
      return reply.code(201).header('location', `/api/vms/${vm.id}`).send(toView(vm));
    },
  );
}
