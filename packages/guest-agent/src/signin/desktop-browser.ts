import { HearthError, pause } from '@hearth/contract';
import { request } from 'node:http';
import { describeError } from '../log.ts';

/** Opens links in the desktop's browser. */
export interface DesktopBrowser {
  /** Throws HearthError desktop_unreachable. */
  open(url: string, signal: AbortSignal): Promise<void>;
}

export interface DesktopBrowserOptions {
  /** Of Chromium's DevTools on loopback. */
  port: number;
  /** Lets it run on where it is frozen. */
  thaw: () => Promise<unknown>;
  timeoutMs?: number;
}

/** A browser that is just being restarted answers soon. */
const TIMEOUT_MS = 30_000;
const RETRY_MS = 500;

export function createDesktopBrowser({
  port,
  thaw,
  timeoutMs = TIMEOUT_MS,
}: DesktopBrowserOptions): DesktopBrowser {
  return {
    open: async (url, signal) => {
      await thaw();
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      for (;;) {
        try {
          // DevTools decodes the whole query once.
          await put(port, `/json/new?${encodeURIComponent(url)}`, deadline);
          return;
        } catch (error) {
          if (deadline.aborted)
            throw new HearthError(
              'desktop_unreachable',
              `the browser did not open it: ${describeError(error)}`,
              {
                cause: error,
              },
            );
          await pause(RETRY_MS, deadline).catch(() => undefined);
        }
      }
    },
  };
}

async function put(port: number, path: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const sent = request({ host: '127.0.0.1', port, path, method: 'PUT', signal, agent: false }, (response) => {
    response.resume();
    response.on('error', reject);
    response.on('end', () => {
      if (response.statusCode === 200) resolve(undefined);
      else
        reject(
          new HearthError('desktop_unreachable', `DevTools answered ${response.statusCode ?? 'nothing'}`),
        );
    });
  });
  sent.on('error', reject);
  sent.end();
  await promise;
}
