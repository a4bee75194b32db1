import {
  DEFAULT_RUN_FOLDER,
  HearthError,
  HOME,
  runLimits,
  type CreateRun,
  type FieldIssue,
} from '@hearth/contract';
import { posix } from 'node:path';

const MIB = 1024 * 1024;

/** Throws body_too_large or bad_request for what no VM is to be given. */
export function checkOrder({ prompt, files = [], cwd }: CreateRun): void {
  const promptBytes = Buffer.byteLength(prompt);
  if (promptBytes > runLimits.promptBytes)
    throw tooLarge(
      'prompt',
      promptBytes,
      runLimits.promptBytes,
      'Give long texts as `files`, and name them in the prompt.',
    );
  if (prompt.includes('\0')) throw invalid('prompt', 'must not hold a NUL character');
  if (prompt.trim() === '') throw invalid('prompt', 'must not be empty');
  const fileBytes = files.reduce((sum, file) => sum + Buffer.byteLength(file.contentBase64, 'base64'), 0);
  if (fileBytes > runLimits.fileBytes)
    throw tooLarge('files', fileBytes, runLimits.fileBytes, 'Copy them into the VM first: `hearth vm cp`.');
  if (cwd !== undefined) folderOf(cwd);
  const seen = new Set<string>();
  for (const [index, { path }] of files.entries()) {
    const field = `files.${index}.path`;
    if (path.includes('\0')) throw invalid(field, 'must not hold a NUL character');
    const normal = posix.normalize(path);
    if (
      posix.isAbsolute(path) ||
      normal === '.' ||
      normal === '..' ||
      normal.startsWith('../') ||
      normal.endsWith('/')
    )
      throw invalid(field, `"${path}" is not a file below the run’s folder`);
    if (seen.has(normal)) throw invalid(field, `"${path}" is given twice`);
    seen.add(normal);
  }
}

/** The folder of a run, without detours. Throws bad_request where it is not inside the home. */
export function folderOf(cwd: string = DEFAULT_RUN_FOLDER): string {
  const normal = posix.normalize(cwd).replace(/(?<=.)\/$/, '');
  if (cwd.includes('\0') || (normal !== HOME && !normal.startsWith(`${HOME}/`)))
    throw invalid('cwd', `"${cwd}" is not inside the home ${HOME}`);
  return normal;
}

function invalid(path: string, message: string): HearthError {
  const issues: FieldIssue[] = [{ path, message }];
  return new HearthError('bad_request', `${path}: ${message}`, { issues });
}

function tooLarge(path: string, bytes: number, limit: number, hint: string): HearthError {
  const message = `has ${(bytes / MIB).toFixed(1)} MiB; at most ${limit / MIB} MiB are taken`;
  return new HearthError('body_too_large', `${path}: ${message}`, { issues: [{ path, message }], hint });
}
