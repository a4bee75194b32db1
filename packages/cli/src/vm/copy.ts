import { createReadStream } from 'node:fs';
import { chmod, open, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileWrittenSchema, HearthError, type VmId } from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { withApi, type CommonOptions } from '../context.ts';
import { formatBytes } from '../terminal/duration.ts';
import type { Output } from '../terminal/output.ts';
import { planCopy, type CopyPlan } from './copy-path.ts';
import { SAVED_MEMORY_TIMEOUT_MS } from './follow.ts';
import { sayIfHibernated } from './hibernate.ts';
import { runRemoteCommand } from './remote-command.ts';

/** A large file on a slow machine: the stream itself is the sign of life. */
const TRANSFER_TIMEOUT_MS = 86_400_000;

export async function copyFile(source: string, target: string, options: CommonOptions): Promise<void> {
  const plan = planCopy(source, target);
  await withApi(options, async (api, { out, signal }) => {
    await sayIfHibernated(api, plan.vmId, out, signal);
    if (plan.direction === 'up') await upload(api, plan, out, signal);
    else await download(api, plan, out, signal);
  });
}

async function upload(
  api: Api,
  { from, vmId, path }: CopyPlan & { direction: 'up' },
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  const local = from === null ? null : await statFile(from);
  if (path.endsWith('/') && from === null)
    throw new HearthError('bad_request', `${path} is a folder, and standard input has no name`, {
      hint: 'Give the whole path of the file.',
    });
  const to = path.endsWith('/') ? `${path}${basename(from ?? '')}` : path;
  const written = await api.call('PUT', fileWrittenSchema, `/api/vms/${vmId}/files`, {
    query: { path: to, mode: local?.mode },
    body: from === null ? process.stdin : createReadStream(from),
    ...(local === null ? {} : { headers: { 'content-length': String(local.bytes) } }),
    timeoutMs: TRANSFER_TIMEOUT_MS,
    signal,
  });
  if (out.json) out.value(written);
  else out.note(`${written.path} in ${vmId}: ${formatBytes(written.bytes)}`);
}

async function statFile(path: string): Promise<{ mode: string; bytes: number }> {
  try {
    const found = await stat(path);
    if (!found.isFile())
      throw new HearthError('bad_request', `${path} is not a file`, {
        hint: 'Only files are copied; pack a folder first: tar c FOLDER | hearth vm exec ID -- tar x',
      });
    return { mode: (found.mode & 0o777).toString(8).padStart(3, '0'), bytes: found.size };
  } catch (cause) {
    if (cause instanceof HearthError) throw cause;
    throw new HearthError('bad_request', cause instanceof Error ? cause.message : String(cause), {
      cause,
      hint: 'Check the path.',
    });
  }
}

async function download(
  api: Api,
  { vmId, path, to }: CopyPlan & { direction: 'down' },
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  const { body } = await api.open('GET', `/api/vms/${vmId}/files`, {
    query: { path },
    signal,
    timeoutMs: SAVED_MEMORY_TIMEOUT_MS,
  });
  if (to === null) {
    for await (const chunk of body) out.bytes(chunk);
    return;
  }
  const target = (await isFolder(to)) ? join(to, basename(path)) : to;
  // Beside the target, then renamed: a copy that was cut off leaves no half file.
  const partial = `${target}.hearth-partial`;
  let bytes = 0;
  try {
    const file = await openNew(partial);
    try {
      for await (const chunk of body) {
        await file.write(chunk);
        bytes += chunk.length;
      }
    } finally {
      await file.close();
    }
    await chmod(partial, await remoteMode(api, vmId, path, signal));
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  if (out.json) out.value({ path: target, bytes });
  else out.note(`${target}: ${formatBytes(bytes)}`);
}

async function openNew(path: string): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    return await open(path, 'w', 0o600);
  } catch (cause) {
    throw new HearthError('bad_request', cause instanceof Error ? cause.message : String(cause), {
      cause,
      hint: 'Check the target path.',
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Permission bits of a file in a VM. */
async function remoteMode(api: Api, vmId: VmId, path: string, signal: AbortSignal): Promise<number> {
  let text = '';
  const { exitCode } = await runRemoteCommand(
    api,
    vmId,
    { command: ['stat', '--dereference', '--format=%a', '--', path], user: 'root', timeoutMs: 30_000 },
    { signal, onStdout: (bytes) => (text += Buffer.from(bytes).toString()), onStderr: () => undefined },
  );
  // The low nine bits: set-uid has no business outside of the VM.
  return exitCode === 0 && /^[0-7]+\s*$/.test(text) ? Number.parseInt(text, 8) & 0o777 : 0o644;
}
