import { parseConfig, type ConfigInput } from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { buildController } from '../../packages/controller/src/controller.ts';
import { connectHost } from '../../packages/controller/src/host-link/unix-socket.ts';
import { openDatabase } from '../../packages/controller/src/store/database.ts';
import { passingKeys } from '../../packages/controller/src/vault/key-store.ts';

/** `node controller-process.ts SOCKET DATABASE [CONFIG]`: the whole controller; prints its address and a token, then runs until its input ends. */
const [socketPath = '', database = '', given = '{}'] = process.argv.slice(2);
const { vms, controller: limits, ...rest } = JSON.parse(given) as ConfigInput;
const controller = await buildController({
  config: parseConfig(
    {
      ...rest,
      controller: { rateLimit: { max: 1_000_000 }, ...limits },
      vms: { ...vms, warm: { cli: 0, browser: 0 } },
    },
    {},
  ),
  version: '0.0.0',
  db: await openDatabase(database),
  host: connectHost(socketPath),
  keys: passingKeys(),
  world: { now: () => new Date(), randomBytes },
  web: null,
  logger: pino({ level: 'error' }, pino.destination(2)),
});
const url = await controller.app.listen({ host: '127.0.0.1', port: 0 });
controller.startWorkers();
const { token } = await controller.access.createToken({ role: 'admin', user: 'bench' });
process.stdout.write(`${JSON.stringify({ url, token })}\n`);
process.stdin.resume().once('end', () => void controller.close().then(() => process.exit(0)));
