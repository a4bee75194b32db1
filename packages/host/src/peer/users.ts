import { HearthError } from '@hearth/contract';
import { run } from '../exec/run.ts';

/** Numeric ids of a system user. Throws requirement_missing where there is none of that name. */
export async function userIds(name: string): Promise<{ uid: number; gid: number }> {
  const { stdout, exitCode } = await run('getent', ['passwd', name], { okCodes: [0, 2] });
  const [, , uid, gid] = stdout.split(':');
  if (exitCode !== 0 || uid === undefined || gid === undefined) {
    throw new HearthError('requirement_missing', `there is no system user '${name}'`, {
      hint: '`hearth up` makes it.',
    });
  }
  return { uid: Number(uid), gid: Number(gid) };
}
