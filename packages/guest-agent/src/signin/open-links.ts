import { asHearthError, HearthError, type Log } from '@hearth/contract';
import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { dirname } from 'node:path';
import type { LoginUser } from '../exec/login-user.ts';

export interface OpenLinksOptions {
  /** The unix socket. */
  path: string;
  user: Pick<LoginUser, 'uid' | 'gid'>;
  /** Throws HearthError where the link is not opened. */
  open: (url: string) => Promise<void>;
  log: Log;
}

export interface OpenLinks {
  /** Listens; safe to repeat. */
  start(): Promise<void>;
  stop(): void;
}

const MAX_LINK_BYTES = 16 * 1024;

/**
 * Where `$BROWSER` and `xdg-open` (image/rootfs/usr/lib/hearth/open-url) hand their link to: the body of a POST. Only the VM's user can
 * speak to it. 204: it is being opened; else the reason as text.
 */
export function createOpenLinks({ path, user, open, log }: OpenLinksOptions): OpenLinks {
  let server: Server | undefined;
  const serve = async (request: IncomingMessage): Promise<{ status: number; text: string }> => {
    try {
      await open(await readLink(request));
      return { status: 204, text: '' };
    } catch (error) {
      const { code, detail, status } = asHearthError(error);
      if (code === 'internal') log('a link was not opened', { error: detail });
      return { status, text: `${detail}\n` };
    }
  };
  return {
    start: async () => {
      if (server !== undefined) return;
      const created = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
        void serve(request).then(({ status, text }) => response.writeHead(status).end(text));
      });
      server = created;
      await mkdir(dirname(path), { recursive: true, mode: 0o755 });
      // An agent before this one left it.
      await rm(path, { force: true });
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      created.once('error', reject);
      created.listen(path, () => resolve(undefined));
      await promise;
      await chown(path, user.uid, user.gid);
      await chmod(path, 0o600);
    },
    stop: () => {
      server?.close();
      server?.closeAllConnections();
      server = undefined;
    },
  };
}

async function readLink(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_LINK_BYTES) throw new HearthError('body_too_large', 'the link is too long');
    chunks.push(chunk);
  }
  const link = Buffer.concat(chunks).toString('utf8').trim();
  if (!URL.canParse(link)) throw new HearthError('bad_request', 'that is no link');
  return link;
}
