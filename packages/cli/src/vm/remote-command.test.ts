import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeLine, HearthError, Secret, toProblem, type VmId } from '@hearth/contract';
import { afterEach, expect, test } from 'vitest';
import { makeApi, type Api } from '../api/client.ts';
import { runRemoteCommand } from './remote-command.ts';

const vmId = 'vm-0123456789ab' as VmId;
const execId = 'ex-0123456789ab';
let server: Server | undefined;
let api: Api | undefined;

afterEach(async () => {
  await api?.close();
  server?.closeAllConnections();
  server?.close();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(handler: Handler): Promise<Api> {
  const own = createServer(handler);
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  server = own;
  const { port } = own.address() as AddressInfo;
  api = makeApi({
    origin: `http://127.0.0.1:${port}`,
    token: new Secret('t0ken'),
    unreachable: 'controller_unreachable',
  });
  return api;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

const collect = () => {
  const seen = { stdout: '', stderr: '' };
  return {
    seen,
    onStdout: (bytes: Uint8Array) => (seen.stdout += Buffer.from(bytes).toString()),
    onStderr: (bytes: Uint8Array) => (seen.stderr += Buffer.from(bytes).toString()),
  };
};
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const exit = (exitCode: number) => ({ type: 'exit', exitCode, signal: null, timedOut: false, durationMs: 1 });

test('streams both outputs as they come, across chunk borders, and returns the exit code', async () => {
  let sent: unknown;
  const client = await serve((request, response) => {
    void bodyOf(request).then((body) => {
      sent = { body: JSON.parse(body) as unknown, token: request.headers.authorization };
      const lines =
        encodeLine({ type: 'started', execId, pid: 7 }) +
        encodeLine({ type: 'stdout', dataBase64: base64('grüß') }) +
        encodeLine({ type: 'stderr', dataBase64: base64('oh') }) +
        encodeLine(exit(42));
      response.write(lines.slice(0, 50));
      setImmediate(() => response.end(lines.slice(50)));
    });
  });
  const { seen, ...outputs } = collect();
  const ended = await runRemoteCommand(
    client,
    vmId,
    { command: ['x'], env: { A: '1' } },
    { ...outputs, signal: new AbortController().signal },
  );
  expect(ended.exitCode).toBe(42);
  expect(seen).toEqual({ stdout: 'grüß', stderr: 'oh' });
  expect(sent).toEqual({ body: { command: ['x'], env: { A: '1' }, stdin: false }, token: 'Bearer t0ken' });
});

test('passes standard input and does not mind that the command did not read it all', async () => {
  let input = '';
  const client = await serve((request, response) => {
    if (request.method === 'PUT') {
      void bodyOf(request).then((body) => {
        input = body;
        response.writeHead(204).end();
        running?.end(encodeLine(exit(0)));
      });
      return;
    }
    running = response;
    response.write(encodeLine({ type: 'started', execId, pid: 7 }));
  });
  let running: ServerResponse | undefined;
  const { exitCode } = await runRemoteCommand(
    client,
    vmId,
    { command: ['cat'] },
    { ...collect(), stdin: chunks('one ', 'two'), signal: new AbortController().signal },
  );
  expect(exitCode).toBe(0);
  expect(input).toBe('one two');
});

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test('F45: an abort closes the stream, by which the guest ends the command', async () => {
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<undefined>();
  const client = await serve((_request, response) => {
    response.write(encodeLine({ type: 'started', execId, pid: 7 }));
    response.on('close', () => onClosed(undefined));
  });
  const controller = new AbortController();
  const running = runRemoteCommand(
    client,
    vmId,
    { command: ['sleep', '99'] },
    {
      ...collect(),
      signal: controller.signal,
      onStarted: () => controller.abort(new HearthError('aborted', 'interrupted')),
    },
  );
  await expect(running).rejects.toMatchObject({ code: 'aborted' });
  await closed;
});

test('a signal goes to the command by its id', async () => {
  const client = await serve((request, response) => {
    if (request.url?.endsWith(`/exec/${execId}/signal`) === true) {
      void bodyOf(request).then((body) => {
        response.writeHead(204).end();
        running?.end(encodeLine({ ...exit(130), signal: (JSON.parse(body) as { signal: string }).signal }));
      });
      return;
    }
    running = response;
    response.write(encodeLine({ type: 'started', execId, pid: 7 }));
  });
  let running: ServerResponse | undefined;
  const ended = await runRemoteCommand(
    client,
    vmId,
    { command: ['sleep', '99'] },
    { ...collect(), signal: new AbortController().signal, onStarted: (send) => void send('SIGINT') },
  );
  expect(ended).toMatchObject({ exitCode: 130, signal: 'SIGINT' });
});

test('problems, an error event and a broken stream are errors that say so', async () => {
  const problem = toProblem(new HearthError('vm_not_ready', 'it is starting'));
  const attempt = async (handler: Handler): Promise<unknown> => {
    const client = await serve(handler);
    const failed = await runRemoteCommand(
      client,
      vmId,
      { command: ['x'] },
      { ...collect(), signal: new AbortController().signal },
    ).catch((error: unknown) => error);
    await client.close();
    server?.close();
    return failed;
  };
  expect(await attempt((_, response) => response.writeHead(409).end(JSON.stringify(problem)))).toMatchObject({
    code: 'vm_not_ready',
    detail: 'it is starting',
  });
  expect(await attempt((_, response) => response.end(encodeLine({ type: 'error', problem })))).toMatchObject({
    code: 'vm_not_ready',
  });
  expect(
    await attempt((_, response) => response.end(encodeLine({ type: 'started', execId, pid: 7 }))),
  ).toMatchObject({ code: 'agent_unreachable' });
  expect(await attempt((_, response) => response.writeHead(502).end('<html>'))).toMatchObject({
    code: 'internal',
    detail: expect.stringContaining('502') as string,
  });
});

test('nobody listens: not running, and its cause is kept', async () => {
  const client = makeApi({ origin: 'http://127.0.0.1:1', unreachable: 'controller_unreachable' });
  api = client;
  const failed = runRemoteCommand(
    client,
    vmId,
    { command: ['x'] },
    { ...collect(), signal: new AbortController().signal },
  );
  await expect(failed).rejects.toMatchObject({
    code: 'controller_unreachable',
    cause: expect.anything() as unknown,
  });
});
