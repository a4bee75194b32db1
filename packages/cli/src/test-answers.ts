import { HearthError, toProblem, vmSchema, type Vm } from '@hearth/contract';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { main } from './program.ts';

export const VM_ID = 'vm-0123456789ab';

export const timeline = (startedAt: string, ...marks: [string, number][]) => ({
  startedAt,
  phases: marks.map(([phase, atMs]) => ({ phase, atMs })),
});

/** A CLI VM that is ready, but for the changes. */
export function testVm(changes: Partial<Record<keyof Vm, unknown>> = {}): Vm {
  return vmSchema.parse({
    ...{ id: VM_ID, userId: 'usr-000000000000', kind: 'cli', state: 'ready', version: 1 },
    ...{ cpus: 1, memMiB: 512, diskMiB: 512, desktop: null, ip: '10.77.0.9', imageId: null },
    ...{ createdAt: '2026-11-01T00:00:00.000Z', readyAt: null, deletedAt: null, origin: null },
    ...{ lastUsedAt: null, hibernatedAt: null, deletesAt: null, failure: null, finding: null },
    timeline: timeline('2026-11-01T00:00:00.000Z'),
    ...changes,
  });
}

export interface AnsweringController extends AsyncDisposable {
  /** What was asked: method, path and body. */
  asked: string[];
  /** Words of a command line that lead to it. */
  options: string[];
}

/**
 * A controller that gives to each call (`GET /api/vms`) the one answer that it has for it, of a list that `inTurn` made the
 * next one; an event stream gives its VMs one by one.
 */
export async function answeringController(answers: Record<string, unknown>): Promise<AnsweringController> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const call = `${request.method ?? ''} ${request.url ?? ''}`;
      asked.push(`${call}${body === '' ? '' : ` ${body}`}`);
      const listed = answers[call];
      const answer = listed instanceof Turns ? listed.next() : listed;
      if (answer === undefined || answer instanceof HearthError) {
        const problem = toProblem(answer ?? new HearthError('route_not_found', call));
        response.writeHead(problem.status, { 'content-type': 'application/problem+json' });
        response.end(JSON.stringify(problem));
      } else if (call.endsWith('/events')) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const event of answer as Vm[])
          response.write(`data: ${JSON.stringify({ type: 'vm', vm: event })}\n\n`);
      } else response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = await mkdtemp(join(tmpdir(), 'hearth-cli-'));
  await writeFile(join(folder, 'token'), 'fake-token-NOT-A-TOKEN');
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    options: ['--url', `http://127.0.0.1:${port}`, '--token-file', join(folder, 'token')],
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

class Turns {
  readonly #answers: unknown[];

  constructor(answers: unknown[]) {
    this.#answers = answers;
  }

  /** The last one stays. */
  next(): unknown {
    return this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
  }
}

/** Answers of one call, one after the other. */
export const inTurn = (...answers: unknown[]): Turns => new Turns(answers);

/** Runs one command line, and gives what it said. */
export async function say(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => (said.out += String(text)) !== '');
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => (said.err += String(text)) !== '');
  // A process runs one command; here many follow each other, and each waits for Ctrl-C.
  const waiting = (['SIGINT', 'SIGTERM'] as const).map((name) => [name, process.listeners(name)] as const);
  const code = await main(words);
  for (const [name, before] of waiting)
    for (const listener of process.listeners(name))
      if (!before.includes(listener)) process.off(name, listener);
  vi.restoreAllMocks();
  return { code, ...said };
}
