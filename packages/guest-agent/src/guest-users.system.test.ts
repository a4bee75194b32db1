import { execEventSchema, problemSchema, readEvents } from '@hearth/contract';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestUsers } from './exec/login-user.ts';
import { startConfiguredAgent } from './testing/start-test-agent.ts';

/** The real users of a guest; a home that exists here. */
const users = { ...guestUsers, hearth: { ...guestUsers.hearth, home: '/' } };

describe('as root', () => {
  it('commands run as the ordinary user, without root’s groups, and can open their outputs by name', async () => {
    await using agent = await startConfiguredAgent({ users });
    const response = await agent.call('/exec', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        command: ['sh', '-c', 'id -u; id -G; echo named > /dev/stdout; cat /proc/self/oom_score_adj'],
      }),
    });
    let output = '';
    for await (const event of readEvents(
      response.body as unknown as AsyncIterable<Uint8Array>,
      execEventSchema,
    ))
      if (event.type === 'stdout' || event.type === 'stderr')
        output += Buffer.from(event.dataBase64, 'base64').toString();
    expect(output.split('\n').slice(0, 3)).toEqual(['1000', '1000', 'named']);
  });

  it('a full disk in the VM is named, and leaves nothing behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
    try {
      await using agent = await startConfiguredAgent({ users });
      const put = (name: string, bytes: number) =>
        agent.call(`/files?path=${folder}/${name}&mode=600`, { method: 'PUT', body: Buffer.alloc(bytes) });
      const problem = problemSchema.parse(await (await put('large', 4 * 1024 * 1024)).json());
      expect(problem).toMatchObject({ code: 'disk_full', status: 507 });
      expect(await readdir(folder)).toEqual([]);
      expect((await put('small', 1000)).status).toBe(200);
      const { uid, gid, mode } = await stat(join(folder, 'small'));
      expect([uid, gid, mode & 0o777]).toEqual([1000, 1000, 0o600]);
    } finally {
      execFileSync('umount', [folder]);
      await rm(folder, { recursive: true });
    }
  });
});
