import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file of the web application, in memory: the checkout can't be read once root is given up. */
export interface WebFile {
  /** As the browser asks for it, e.g. `/assets/index-4f2a.js`. */
  path: string;
  type: string;
  bytes: Buffer;
  /** null where that would not make it smaller. */
  gzipped: Buffer | null;
  etag: string;
  /** Its name holds a hash of its content, so that it never changes. */
  immutable: boolean;
}

export interface WebApp {
  index: WebFile;
  files: WebFile[];
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};
const compress = promisify(gzip);

/** Reads what the build of packages/web made; null where it was not built. */
export async function readWebApp(folder: string): Promise<WebApp | null> {
  let names: string[];
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    names = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const files = await Promise.all(names.map((name) => readWebFile(folder, name)));
  const index = files.find(({ path }) => path === '/index.html');
  return index === undefined ? null : { index, files: files.filter((file) => file !== index) };
}

async function readWebFile(folder: string, name: string): Promise<WebFile> {
  const bytes = await readFile(name);
  const path = `/${relative(folder, name).split(sep).join('/')}`;
  const small = await compress(bytes, { level: 9 });
  return {
    path,
    bytes,
    type: types[extname(name)] ?? 'application/octet-stream',
    gzipped: small.length < bytes.length * 0.9 ? small : null,
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
    immutable: path.startsWith('/assets/'),
  };
}
