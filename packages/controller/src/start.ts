import { HearthError, type Config } from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino, type Logger } from 'pino';
import packageJson from '../package.json' with { type: 'json' };
import { adminToken } from './bootstrap.ts';
import type { World } from './clock.ts';
import { readConfig, readMasterKeys } from './config.ts';
import { buildController, type Controller } from './controller.ts';
import { connectHost } from './host-link/unix-socket.ts';

import { becomeUser, findAccount, isRoot, makeOwnFolder } from './privileges.ts';
import { rehearse } from './rehearsal.ts';
import { openDatabase } from './store/database.ts';
import { environmentKeys, fileKeys, type KeyStore } from './vault/key-store.ts';
import { readWebApp } from './web-app.ts';

/** What the build of packages/web makes. */
const WEB_FOLDER = join(import.meta.dirname, '../../web/dist');
/** Stopping takes no longer, whatever hangs. */
const STOP_TIMEOUT_MS = 4500;

interface Arguments {
  config: string | undefined;
  adminTokenFile: string | undefined;
  readyFd: number | undefined;
}

/** The whole life of the controller's process. Throws HearthError where it can't start. */
export async function start(args: readonly string[]): Promise<void> {
  process.umask(0o077);
  const { config: file, adminTokenFile, readyFd } = readArguments(args);
  const config = readConfig(file);
  const world: World = { now: () => new Date(), randomBytes };
  const logger = makeLogger(config);
  const folder = join(config.stateDir, 'controller');
  const keys = findKeys(config, folder);

  const token = adminTokenFile === undefined ? null : await adminToken(adminTokenFile, randomBytes);
  const web = await readWebApp(WEB_FOLDER);
  if (isRoot()) {
    const account = await findAccount(config.controller.user);
    await makeOwnFolder(folder, account);
    await rehearse(config, web);
    // The cache can't be written afterwards.
    flushCompileCache();
    becomeUser(account);
  } else {
    await makeOwnFolder(folder, null);
  }

  const db = await openDatabase(join(folder, 'hearth.db'));
  const host = connectHost(join(config.runDir, 'host.sock'));
  const version = packageJson.version;
  const controller = await buildController({ config, version, db, host, keys, world, logger, web });
  await controller.access.ensureAdmin(token);
  const url = await listen(controller, config);
  stopOnSignal(controller, logger);
  controller.startWorkers();
  const ready = { url, pid: process.pid };
  logger.info(ready, 'ready');
  if (readyFd !== undefined) createWriteStream('', { fd: readyFd }).end(`${JSON.stringify(ready)}\n`);
}

function readArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string' },
      'admin-token-file': { type: 'string' },
      'ready-fd': { type: 'string' },
    },
  });
  const fd = values['ready-fd'];
  if (fd !== undefined && !/^\d+$/.test(fd))
    throw new HearthError('bad_request', `--ready-fd: ${fd} is no file descriptor`);
  return {
    config: values.config,
    adminTokenFile: values['admin-token-file'],
    readyFd: fd === undefined ? undefined : Number(fd),
  };
}

/** Throws config_invalid where a key of the environment is none. */
function findKeys({ vault }: Config, folder: string): KeyStore {
  const given = readMasterKeys();
  if (given !== null) return environmentKeys(given.current, given.previous);
  return fileKeys(vault.keyFile ?? join(folder, 'master.key'));
}

/** Logs to standard output. What may hold a secret is not logged in the first place; this is the second line. */
function makeLogger({ log, name }: Config): Logger {
  return pino({
    level: log.level,
    base: { part: 'controller', hearth: name },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ['authorization', 'cookie', 'token', 'env', '*.authorization', '*.cookie', '*.token', '*.env'],
      censor: '[redacted]',
    },
  });
}

async function listen({ app }: Controller, { controller: { address, port } }: Config): Promise<string> {
  try {
    return await app.listen({ host: address, port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new HearthError('port_in_use', `${address}:${port}`, { cause: error });
    if (code === 'EACCES')
      throw new HearthError('config_invalid', `controller.port: ${port} is for root only`, { cause: error });
    if (code === 'EADDRNOTAVAIL')
      throw new HearthError('config_invalid', `controller.address: ${address} is not of this machine`);
    throw new HearthError('internal', message, { cause: error });
  }
}

function stopOnSignal(controller: Controller, logger: Logger): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'stopping');
    setTimeout(() => {
      logger.warn('something did not end in time; leaving it');
      process.exit(0);
    }, STOP_TIMEOUT_MS).unref();
    controller.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
