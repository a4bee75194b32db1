import { downloadSchema, fileNameSchema, HearthError, parseWith, type Download } from '@hearth/contract';
import { errorOfAnswer } from '../api/request.ts';
import { announceSessionLost } from '../session/session-lost.ts';

/**
 * Sends a file into the desktop's Downloads. (XMLHttpRequest, since fetch tells no progress of what it sends.)
 * Throws HearthError.
 */
export function upload(
  vmId: string,
  file: File,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Download> {
  const { promise, resolve, reject } = Promise.withResolvers<Download>();
  const name = fileNameSchema.safeParse(file.name);
  if (!name.success) {
    const why = name.error.issues.map(({ message }) => message).join('; ');
    return Promise.reject(
      new HearthError('bad_request', `the file’s name ${why}`, { hint: 'Rename it first.' }),
    );
  }
  const request = new XMLHttpRequest();
  request.upload.addEventListener('progress', ({ loaded }) => onSent(loaded));
  request.addEventListener('load', () => {
    try {
      if (request.status === 201)
        resolve(parseWith(downloadSchema, JSON.parse(request.responseText), 'internal', 'answer'));
      else {
        const error = errorOfAnswer(request.status, request.responseText);
        if (error.code === 'unauthenticated') announceSessionLost();
        reject(error);
      }
    } catch (cause) {
      reject(
        cause instanceof HearthError
          ? cause
          : new HearthError('internal', 'the answer is not JSON', { cause }),
      );
    }
  });
  request.addEventListener('error', () =>
    reject(
      // A folder looks like a file until it is read.
      new HearthError('controller_unreachable', 'the file could not be read, or the connection broke off', {
        hint: 'A folder can’t be sent: pack it first. Else try again.',
      }),
    ),
  );
  request.addEventListener('abort', () => reject(new HearthError('aborted', 'stopped')));
  signal.addEventListener('abort', () => request.abort(), { once: true });
  request.open(
    'PUT',
    `/api/vms/${encodeURIComponent(vmId)}/desktop/downloads/${encodeURIComponent(name.data)}`,
  );
  request.setRequestHeader('content-type', 'application/octet-stream');
  request.send(file);
  return promise;
}
