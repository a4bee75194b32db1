import { filePathQuerySchema, fileWriteQuerySchema, type FileWritten, type Folder } from '@hearth/contract';
import type { LoginUsers } from '../exec/login-user.ts';
import { openForReading, writeWhole } from '../system/files.ts';
import { listFolder } from '../system/folders.ts';
import { pipeline } from 'node:stream/promises';
import { sendJson } from './answer.ts';
import { parseQuery, requireType } from './body.ts';
import type { Route } from './context.ts';

export function fileRoutes(users: LoginUsers, randomBytes: (size: number) => Uint8Array): Route[] {
  return [
    {
      method: 'GET',
      path: /^\/files$/,
      handle: async ({ response, query }) => {
        const { path } = parseQuery(query, filePathQuerySchema);
        const file = await openForReading(path);
        response.writeHead(200, {
          'content-type': 'application/octet-stream',
          'cache-control': 'no-store',
          ...(file.bytes === null ? {} : { 'content-length': file.bytes }),
        });
        await pipeline(file.stream, response);
      },
    },
    {
      method: 'PUT',
      path: /^\/files$/,
      handle: async ({ request, response, query }) => {
        const { path, mode, user, conflict } = parseQuery(query, fileWriteQuerySchema);
        requireType(request, 'application/octet-stream');
        const { uid, gid } = users[user];
        const written: FileWritten = await writeWhole(path, request, {
          mode: Number.parseInt(mode, 8),
          uid,
          gid,
          randomBytes,
          conflict,
        });
        sendJson(response, 200, written);
      },
    },
    {
      method: 'GET',
      path: /^\/folders$/,
      handle: async ({ response, query }) => {
        const { path } = parseQuery(query, filePathQuerySchema);
        const folder: Folder = await listFolder(path);
        response.setHeader('cache-control', 'no-store');
        sendJson(response, 200, folder);
      },
    },
  ];
}
