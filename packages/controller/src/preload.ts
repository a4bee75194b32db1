import swagger from '@fastify/swagger';
import { fastify } from 'fastify';
import { openDatabase } from './store/database.ts';

/**
 * Loads whatever is otherwise loaded at its first use, while the checkout can still be read: it may lie in a
 * folder that only root may enter.
 */
export async function preload(): Promise<void> {
  // SQLite's native part.
  await (await openDatabase(':memory:')).destroy();
  // swagger reads its generator when a document is made.
  const app = fastify();
  await app.register(swagger, { openapi: { openapi: '3.1.0', info: { title: '', version: '' } } });
  await app.ready();
  app.swagger();
  await app.close();
}
