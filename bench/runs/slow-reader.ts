import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runSchema, vmSchema } from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';

/** A tool that prints this much as fast as it is read. */
const EVENTS = 80_000;
const TEXT_BYTES = 1024;
const SAMPLE_MS = 50;
const TIMEOUT_MS = 300_000;

export interface SlowReader {
  /** Largest resident memory with a reader that reads nothing, less the largest without a reader. */
  growthMiB: number;
  events: number;
  outputMiB: number;
  /** From the order of the run to the last event at a reader that takes all it gets. */
  eventsPerSecond: number;
}

type Reader = 'none' | 'still' | 'fast';

export async function measureSlowReader(): Promise<SlowReader> {
  const none = await measure('none');
  const still = await measure('still');
  const fast = await measure('fast');
  return {
    growthMiB: Math.max(0, still.peakMiB - none.peakMiB),
    events: EVENTS,
    outputMiB: (EVENTS * TEXT_BYTES) / 1024 / 1024,
    eventsPerSecond: EVENTS / fast.seconds,
  };
}

/** One run with one kind of reader, on a controller of its own. */
async function measure(reader: Reader): Promise<{ peakMiB: number; seconds: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-bench-runs-'));
  const host = await startFakeHost(join(folder, 'host.sock'));
  printFast(host);
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'controller-process.ts'), host.socketPath, join(folder, 'hearth.db')],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { url, token } = JSON.parse(line) as { url: string; token: string };
    const call = async (method: string, path: string, body?: object): Promise<unknown> => {
      const answer = await fetch(new URL(path, url), {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      return await answer.json();
    };
    await call('POST', '/api/auth/api-key', {
      provider: 'claude_code',
      apiKey: 'sk-ant-fake-0123456789-NOT-A-KEY',
    });
    const vm = vmSchema.parse(await call('POST', '/api/vms', { kind: 'cli' }));
    const startedMs = performance.now();
    const { id } = runSchema.parse(
      await call('POST', '/api/runs', { provider: 'claude_code', prompt: 'print', vmId: vm.id }),
    );
    const told = reader === 'none' ? null : await openEvents(url, token, id);
    const allRead = reader === 'fast' && told !== null ? drained(told) : Promise.resolve();
    let peakMiB = 0;
    for (;;) {
      peakMiB = Math.max(peakMiB, await residentMiB(child.pid ?? 0));
      const { state } = runSchema.parse(await call('GET', `/api/runs/${id}`));
      if (state === 'succeeded') break;
      if (performance.now() - startedMs > TIMEOUT_MS || state === 'failed')
        throw new Error(`the run is ${state}`);
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
    await allRead;
    const seconds = (performance.now() - startedMs) / 1000;
    told?.destroy();
    return { peakMiB, seconds };
  } finally {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'exit');
    await host.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function printFast(host: FakeHost): void {
  const text = 'x'.repeat(TEXT_BYTES);
  host.runs.script.play = (run) => {
    run.say({ type: 'system', subtype: 'init', session_id: run.id, model: 'fake-model' });
    const event = {
      type: 'stream_event',
      event: { type: 'content_block_delta', delta: { type: 'text_delta', text } },
    };
    for (let index = 0; index < EVENTS; index += 1) run.say(event);
    run.say({ type: 'result', subtype: 'success', is_error: false, session_id: run.id });
    run.exit(0);
  };
}

/** The answer of …/events, of which nothing is read yet. */
async function openEvents(url: string, token: string, id: string): Promise<IncomingMessage> {
  const call = request(new URL(`/api/runs/${id}/events`, url), {
    headers: { authorization: `Bearer ${token}` },
  });
  call.end();
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  return answer.pause();
}

async function drained(answer: IncomingMessage): Promise<void> {
  answer.resume();
  await once(answer, 'end');
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
}
