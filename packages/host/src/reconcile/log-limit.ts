import { copyFile, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { asHearthError, type Config, type Log } from '@hearth/contract';

export interface LogLimit {
  /** Cuts those that are too long. */
  pass(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

const MIB = 1024 * 1024;
const PERIOD_MS = 60_000;

/**
 * Cuts `<stateDir>/logs/*.log` that grew beyond `log.maxMiB`: what there is goes to `….log.1`, in place of an earlier one, and the file
 * begins anew. Daemons append to their logs, so the cut takes effect for them as well; a line that is written between copy and cut
 * is lost.
 */
export function createLogLimit(
  config: Pick<Config, 'stateDir'> & { log: Config['log'] },
  log: Log,
): LogLimit {
  const folder = join(config.stateDir, 'logs');
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  async function cut(name: string): Promise<void> {
    const path = join(folder, name);
    const { size } = await stat(path);
    if (size <= config.log.maxMiB * MIB) return;
    await copyFile(path, `${path}.1`);
    await truncate(path, 0);
    log('a log was cut', { path, bytes: size, kept: `${path}.1` });
  }

  const limit: LogLimit = {
    pass: async () => {
      const names = await readdir(folder).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      });
      for (const name of names.filter((one) => one.endsWith('.log'))) {
        try {
          await cut(name);
        } catch (error) {
          log('a log could not be cut', { path: join(folder, name), error: asHearthError(error).detail });
        }
      }
    },
    start: () => {
      timer = setInterval(() => {
        running = running
          .then(() => limit.pass())
          .catch((error: unknown) =>
            log('the logs could not be looked at', { folder, error: asHearthError(error).detail }),
          );
      }, PERIOD_MS);
    },
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
  return limit;
}
