import { parseWith, TERMINAL_PROTOCOL, terminalIdSchema, type VmId } from '@hearth/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AgentEndpoint } from '../guest-link/agent-client.ts';
import { dialAgent } from './dial-agent.ts';
import type { Tunnels } from './tunnels.ts';

export interface TerminalRouteOptions {
  idOf: (request: FastifyRequest) => VmId;
  /** Throws not_found, vm_not_ready. */
  endpoint: (id: VmId) => AgentEndpoint & { port?: number };
  /** Tells when the VM can't be reached any more; returns how to stop listening. */
  onEnd: (id: VmId, listener: () => void) => () => void;
}

/** GET /v1/vms/:id/terminals/:terminalId/attach with `Upgrade: hearth-terminal`: the agent's stream of that terminal. */
export function addTerminalRoute(
  app: FastifyInstance,
  tunnels: Tunnels,
  { idOf, endpoint, onEnd }: TerminalRouteOptions,
): void {
  app.get('/v1/vms/:id/terminals/:terminalId/attach', async (request, reply) => {
    const id = idOf(request);
    const { terminalId } = request.params as { terminalId?: unknown };
    const terminal = parseWith(terminalIdSchema, terminalId, 'bad_request', 'terminal id');
    await tunnels.open(request, reply, {
      protocol: TERMINAL_PROTOCOL,
      endedCode: 'vm_not_ready',
      onEnd: (listener) => onEnd(id, listener),
      dial: () => {
        const agent = endpoint(id);
        const path = `/terminals/${terminal}/attach`;
        return {
          headers: {},
          connect: (signal) =>
            dialAgent(agent, { path, protocol: TERMINAL_PROTOCOL, requestId: request.id, signal }),
        };
      },
    });
  });
}
