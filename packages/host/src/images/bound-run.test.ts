import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { identifyProcess, isAlive } from '../exec/process-identity.ts';
import { runBound } from './bound-run.ts';

/** Polls, with a deadline, for an effect of the kernel's that announces itself nowhere. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(10_000);
  while (!(await holds())) {
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a step of a build dies with the builder, even where that was killed', async () => {
  const script = `import { runBound } from ${JSON.stringify(join(import.meta.dirname, 'bound-run.ts'))};
    await runBound('sh', ['-c', 'echo $$; exec sleep 300'], { onLine: (line) => console.log(line) });`;
  const builder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(builder.stdout, 'data')) as [Buffer];
  const step = await identifyProcess(Number(line.toString()));
  expect(step).not.toBeNull();
  builder.kill('SIGKILL');
  await until(async () => step !== null && !(await isAlive(step)));
});

test('a step that is aborted ends, and says who ended it', async () => {
  const ending = new AbortController();
  const step = runBound('sh', ['-c', 'echo up; exec sleep 300'], {
    signal: ending.signal,
    onLine: () => ending.abort(new Error('enough')),
  });
  await expect(step).rejects.toMatchObject({ code: 'aborted', detail: 'enough' });
});

test('a full disk is told apart from other failures', async () => {
  await expect(
    runBound('sh', ['-c', 'echo "cp: No space left on device" >&2; exit 1']),
  ).rejects.toMatchObject({
    code: 'disk_full',
  });
  await expect(runBound('sh', ['-c', 'echo broken >&2; exit 3'])).rejects.toMatchObject({
    code: 'image_build_failed',
    detail: expect.stringContaining('broken') as string,
  });
});
