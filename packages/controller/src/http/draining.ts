import { HearthError } from '@hearth/contract';
import type { App } from './fastify.ts';

/** Answers under way when the controller stops get this long to say their last word. */
const DRAIN_TIMEOUT_MS = 2000;

/** Refuses new calls once the controller stops. Gives what resolves when those under way are answered. */
export function drainOnStop(app: App, stopping: AbortSignal): () => Promise<void> {
  let open = 0;
  let drained: (() => void) | null = null;
  app.addHook('onRequest', async (_request, reply) => {
    open += 1;
    // `onResponse` doesn't come where the client goes away first.
    reply.raw.once('close', () => {
      open -= 1;
      if (open === 0) drained?.();
    });
    if (!stopping.aborted) return;
    reply.header('connection', 'close');
    throw new HearthError('shutting_down', 'the controller is stopping');
  });
  return async () => {
    if (open === 0) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    drained = () => resolve(undefined);
    const timer = setTimeout(drained, DRAIN_TIMEOUT_MS);
    await promise;
    clearTimeout(timer);
  };
}
