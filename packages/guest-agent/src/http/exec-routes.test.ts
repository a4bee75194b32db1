import { execEventSchema, readEvents, type ExecEvent, type ExecRequestInput } from '@hearth/contract';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startConfiguredAgent, type TestAgent } from '../testing/start-test-agent.ts';

let agent: TestAgent;
beforeAll(async () => {
  agent = await startConfiguredAgent();
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
});

const exec = (request: ExecRequestInput, signal?: AbortSignal) =>
  agent.call('/exec', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    ...(signal === undefined ? {} : { signal }),
  });
const eventsOf = (response: Response) =>
  readEvents(response.body as unknown as AsyncIterable<Uint8Array>, execEventSchema);

interface Outcome {
  events: ExecEvent[];
  stdout: Buffer;
  stderr: string;
  last: ExecEvent | undefined;
}
const collect = async (response: Response, onStarted?: (execId: string) => void): Promise<Outcome> => {
  const events: ExecEvent[] = [];
  for await (const event of eventsOf(response)) {
    events.push(event);
    if (event.type === 'started') onStarted?.(event.execId);
  }
  const bytes = (type: 'stdout' | 'stderr') =>
    Buffer.concat(
      events.flatMap((one) => (one.type === type ? [Buffer.from(one.dataBase64, 'base64')] : [])),
    );
  return { events, stdout: bytes('stdout'), stderr: bytes('stderr').toString(), last: events.at(-1) };
};
const run = async (request: ExecRequestInput) => collect(await exec(request));
const sh = (script: string) => ['sh', '-c', script];
const isGone = async (pid: number): Promise<boolean> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat === null || /\) [ZX] /.test(stat);
};

describe('exec', () => {
  it('streams both outputs and the exact exit code', async () => {
    const { events, stdout, stderr, last } = await run({ command: sh('echo out; echo err >&2; exit 37') });
    expect(events[0]).toMatchObject({ type: 'started' });
    expect(stdout.toString()).toBe('out\n');
    expect(stderr).toBe('err\n');
    expect(last).toMatchObject({ type: 'exit', exitCode: 37, signal: null, timedOut: false });
  });

  it('gives 128 + n where a signal ended it', async () => {
    expect((await run({ command: sh('kill -SEGV $$') })).last).toMatchObject({
      exitCode: 139,
      signal: 'SIGSEGV',
    });
  });

  it('gives the login environment and the request’s over it, and nothing of the agent’s', async () => {
    const { stdout } = await run({
      command: ['env'],
      env: { EXTRA: 'a=b\nc', LANG: 'de_DE.UTF-8' },
      user: 'root',
    });
    const lines = stdout.toString().split('\n');
    expect(lines).toContain('USER=root');
    expect(lines).toContain('EXTRA=a=b');
    expect(lines).toContain('LANG=de_DE.UTF-8');
    expect(
      lines
        .filter((line) => line.includes('='))
        .map((line) => line.split('=')[0])
        .toSorted(),
    ).toEqual(['EXTRA', 'HOME', 'LANG', 'LOGNAME', 'PATH', 'SHELL', 'USER'].toSorted());
  });

  it('keeps arguments as they are: no shell is involved', async () => {
    const hostile = ['$(id)', '; rm -rf /', '--', '-n', '', 'ü\n"\''];
    const { stdout } = await run({ command: ['printf', '%s\\0', ...hostile] });
    expect(stdout.toString().split('\0').slice(0, -1)).toEqual(hostile);
  });

  it('loses nothing of a fast, large output', async () => {
    const { stdout, last } = await run({ command: sh('head -c 20000000 /dev/zero | tr "\\0" x') });
    expect(stdout.length).toBe(20_000_000);
    expect(last).toMatchObject({ exitCode: 0 });
  });

  it('slows a command down where the reader is slow, and still hands everything over', async () => {
    const response = await exec({ command: sh('head -c 30000000 /dev/zero; echo done >&2') });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { stdout, stderr, last } = await collect(response);
    expect(stdout.length).toBe(30_000_000);
    expect(stderr).toBe('done\n');
    expect(last).toMatchObject({ exitCode: 0 });
  });

  it('can open its outputs and input by name, as scripts do', async () => {
    const { stdout, stderr, last } = await run({
      command: sh('echo one > /dev/stdout; echo two > /dev/stderr; cat /dev/stdin'),
    });
    expect([stdout.toString(), stderr]).toEqual(['one\n', 'two\n']);
    expect(last).toMatchObject({ exitCode: 0 });
  });

  it.each([
    [{ command: ['no-such-program'] }, 'no-such-program'],
    [{ command: ['/etc/passwd'] }, '/etc/passwd'],
    [{ command: ['/'] }, '/'],
    [{ command: [''] }, 'program'],
    [{ command: ['true'], cwd: '/no/such/folder' }, '/no/such/folder'],
    [{ command: ['true'], cwd: '/etc/passwd' }, '/etc/passwd'],
    [{ command: ['echo', 'x'.repeat(300_000)] }, 'E2BIG'],
  ])('names what keeps a command from starting: %#', async (request, named) => {
    const { events } = await run(request);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ type: 'error', problem: { code: 'exec_failed' } });
    expect(JSON.stringify(events[0])).toContain(named);
  });

  it('pipes 20 MB of standard input through, byte for byte', async () => {
    const input = randomBytes(20 * 1024 * 1024);
    const sent: Promise<Response>[] = [];
    const { stdout, last } = await collect(await exec({ command: ['cat'], stdin: true }), (execId) => {
      sent.push(agent.call(`/exec/${execId}/stdin`, { method: 'PUT', body: input }));
    });
    expect((await sent[0])?.status).toBe(204);
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(hash(stdout)).toBe(hash(input));
    expect(last).toMatchObject({ exitCode: 0 });
  });

  it('has an empty standard input unless asked otherwise', async () => {
    const { stdout, last } = await run({ command: sh('cat; echo ended') });
    expect(stdout.toString()).toBe('ended\n');
    expect(last).toMatchObject({ exitCode: 0 });
  });

  it('tells the sender of input that the command reads no further', async () => {
    const sent: Promise<Response>[] = [];
    const { stdout } = await collect(
      await exec({ command: sh('head -c 3; sleep 0.3'), stdin: true }),
      (execId) => {
        sent.push(
          agent.call(`/exec/${execId}/stdin`, { method: 'PUT', body: Buffer.alloc(8 * 1024 * 1024, 'abc') }),
        );
      },
    );
    expect(stdout.toString()).toBe('abc');
    expect((await sent[0])?.status).toBe(409);
  });

  it('takes standard input once, and only where it was announced', async () => {
    const answers: Promise<number>[] = [];
    const put = async (execId: string) =>
      (await agent.call(`/exec/${execId}/stdin`, { method: 'PUT', body: 'x' })).status;
    await collect(await exec({ command: ['sleep', '0.3'] }), (execId) => void answers.push(put(execId)));
    await collect(await exec({ command: sh('cat; sleep 0.3'), stdin: true }), (execId) => {
      answers.push(put(execId).then(() => put(execId)));
    });
    expect(await Promise.all(answers)).toEqual([409, 409]);
  });

  it('sends signals to the whole group', async () => {
    const answers: Promise<Response>[] = [];
    const { last } = await collect(await exec({ command: sh('sleep 60 & sleep 60') }), (execId) => {
      for (const signal of ['SIGWRONG', 'SIGTERM'])
        answers.push(
          agent.call(`/exec/${execId}/signal`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ signal }),
          }),
        );
    });
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses).toEqual([400, 204]);
    expect(last).toMatchObject({ type: 'exit', exitCode: 143, signal: 'SIGTERM' });
  });

  it('F45: ends the process group, grandchildren too, when the reader goes away', async () => {
    const abort = new AbortController();
    const response = await exec(
      { command: sh('sh -c "trap \\"\\" TERM; echo \\$\\$; while :; do sleep 0.1; done" & wait') },
      abort.signal,
    );
    const pids: number[] = [];
    for await (const event of eventsOf(response)) {
      if (event.type === 'started') pids.push(event.pid);
      if (event.type === 'stdout') {
        pids.push(Number(Buffer.from(event.dataBase64, 'base64').toString()));
        break;
      }
    }
    abort.abort();
    expect(pids).toHaveLength(2);
    for (const pid of pids) await expect.poll(() => isGone(pid), { timeout: 8000, interval: 50 }).toBe(true);
  }, 15_000);

  it('F45: ends the command when its input is cut off', async () => {
    const abort = new AbortController();
    const { last } = await collect(await exec({ command: ['cat'], stdin: true }), (execId) => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode('half')),
      });
      agent
        .call(`/exec/${execId}/stdin`, {
          method: 'PUT',
          body,
          duplex: 'half',
          signal: abort.signal,
        })
        .catch(() => undefined);
      setTimeout(() => abort.abort(), 200);
    });
    expect(last).toMatchObject({ type: 'exit', signal: 'SIGTERM' });
  });

  it('ends the group at its time limit', async () => {
    const { last } = await run({ command: sh('sleep 60 & sleep 60'), timeoutMs: 200 });
    expect(last).toMatchObject({ type: 'exit', exitCode: 143, timedOut: true });
  });

  it('does not wait for a background child that holds the outputs', async () => {
    const { stdout, last } = await run({ command: sh('echo first; sleep 30 & echo $!') });
    expect(last).toMatchObject({ exitCode: 0 });
    const [first, pid] = stdout.toString().split('\n');
    expect(first).toBe('first');
    process.kill(Number(pid), 'SIGKILL');
  });
});
