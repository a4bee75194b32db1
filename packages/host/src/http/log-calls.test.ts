import fastify, { LogController, type FastifyBaseLogger } from 'fastify';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { HearthError } from '@hearth/contract';
import { logCalls } from './log-calls.ts';
import { answerProblems } from './problems.ts';

const VM = 'vm-000000000001';

test('each call has one line with its request, its VM, and neither query nor body; what is asked all the time only for who debugs', async () => {
  const lines: Record<string, unknown>[] = [];
  const logger: FastifyBaseLogger = pino(
    { level: 'debug', formatters: { level: (level) => ({ level }) } },
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    requestIdHeader: 'x-request-id',
  });
  answerProblems(app);
  logCalls(app);
  app.get('/v1/health', () => ({}));
  app.post('/v1/vms/:id/exec', (request) => {
    request.log.info('inside');
    throw new HearthError('vm_not_ready', 'it is booting');
  });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  const headers = { 'x-request-id': 'req-wanted-1', 'content-type': 'application/json' };
  const body = JSON.stringify({ env: 'hidden' });
  await (await fetch(`${origin}/v1/vms/${VM}/exec?code=hidden`, { method: 'POST', headers, body })).text();
  await (await fetch(`${origin}/v1/health`, { headers })).text();
  await app.close();

  const answered = lines.filter(({ msg }) => !String(msg).startsWith('Server listening'));
  expect(answered).toMatchObject([
    { level: 'info', msg: 'inside', requestId: 'req-wanted-1' },
    {
      ...{ level: 'info', msg: 'answered', requestId: 'req-wanted-1', vmId: VM },
      ...{
        method: 'POST',
        path: `/v1/vms/${VM}/exec`,
        status: 409,
        durationMs: expect.any(Number) as number,
      },
    },
    { level: 'debug', msg: 'answered', path: '/v1/health', status: 200, requestId: 'req-wanted-1' },
  ]);
  expect(JSON.stringify(lines)).not.toContain('hidden');
});
