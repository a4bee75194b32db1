import { closeCodeOf, HearthError, type Config } from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import { Pool } from 'undici';
import { WebSocket } from 'ws';
import { buildController } from './controller.ts';
import { connectHost } from './host-link/unix-socket.ts';
import { openDatabase } from './store/database.ts';
import { passingKeys } from './vault/key-store.ts';
import type { WebApp } from './web-app.ts';

/** The kinds of calls that make a library load something at its first use. */
const calls = [
  { method: 'GET', path: '/health', status: 503 },
  { method: 'GET', path: '/api/openapi.json', status: 200 },
  { method: 'GET', path: '/api/docs/', status: 200 },
  { method: 'GET', path: '/nothing', status: 404 },
  { method: 'PUT', path: '/api/vms/vm-000000000000/files?path=/x', status: 401 },
] as const;

/**
 * Plays a controller through once, with an empty database and no host, so that everything is loaded while the
 * checkout can still be read: it may lie in a folder that only root may enter. Nothing of it can be reached by
 * others, and nothing of it stays.
 */
export async function rehearse(config: Config, web: WebApp | null): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-controller-'));
  const socket = join(folder, 'api.sock');
  const controller = await buildController({
    config,
    version: '0.0.0',
    db: await openDatabase(':memory:'),
    host: connectHost(join(folder, 'no-host.sock')),
    keys: passingKeys(),
    world: { now: () => new Date(), randomBytes },
    logger: pino({ level: 'silent' }),
    web,
  });
  const pool = new Pool('http://rehearsal', { socketPath: socket });
  try {
    await controller.app.listen({ path: socket });
    for (const { method, path, status } of calls) {
      const body = method === 'PUT' ? { body: Readable.from([Buffer.from('x')]) } : {};
      const answer = await pool.request({ method, path, ...body });
      await answer.body.dump();
      if (answer.statusCode !== status)
        throw new HearthError('internal', `rehearsal: ${method} ${path} answered ${answer.statusCode}`);
    }
    await rehearseWebSocket(socket);
  } finally {
    await pool.destroy();
    await controller.close();
    await rm(folder, { recursive: true });
  }
}

/** A viewer whose ticket is refused. */
async function rehearseWebSocket(socket: string): Promise<void> {
  const viewer = new WebSocket(`ws+unix:${socket}:/api/vms/vm-000000000000/desktop/rfb`);
  const [code] = (await once(viewer, 'close', { signal: AbortSignal.timeout(5000) })) as [number];
  if (code !== closeCodeOf('ticket_unknown'))
    throw new HearthError('internal', `rehearsal: a WebSocket was closed with ${code}`);
}
