import {
  createRunSchema,
  providers,
  runSchema,
  vmSchema,
  type CreateRun,
  type Run,
  type Vm,
} from '@hearth/contract';
import { makeLab, type HearthLab } from '@hearth/testing';
import { createVm } from './lib/create-vm.ts';
import { context, figure, median, report, say, type Figure } from './lib/report.ts';
import { bareFirstByteMs } from './runs/bare-run.ts';
import { measureSlowReader } from './runs/slow-reader.ts';

/**
 * `hearth bench runs [--json] [--check]`: what a run costs over the bare command in the guest, what a slow reader of a run's events
 * costs the controller, and whether a queue of runs on two VMs ends.
 */
const ROUNDS = 9;
const QUEUED = 20;
const PROMPT = 'Say hello.';
/** The stand-in of the model, inside the VM itself. */
const BASE_URL = 'http://127.0.0.1:8787';
const PROVIDER = 'claude_code';
const KEY = 'sk-ant-fake-0123456789-NOT-A-KEY';

async function post(
  lab: HearthLab,
  path: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Response> {
  const answer = await lab.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

const runBody = (vm: Vm, prompt = PROMPT): CreateRun =>
  createRunSchema.parse({ provider: PROVIDER, prompt, vmId: vm.id, baseUrl: BASE_URL });

/** From the request to the first event that came from the tool's own output. */
async function runFirstByteMs(lab: HearthLab, vm: Vm): Promise<number> {
  const startedMs = performance.now();
  const answer = await post(lab, '/api/runs', runBody(vm), { accept: 'text/event-stream' });
  const decoder = new TextDecoder();
  let text = '';
  let firstMs: number | null = null;
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (/"raw":/.test(text)) firstMs ??= performance.now() - startedMs;
  }
  if (firstMs === null || !/"state":"succeeded"/.test(text))
    throw new Error(`the run did not end well: ${text.slice(-2000)}`);
  return firstMs;
}

async function standInInside(lab: HearthLab, vm: Vm): Promise<void> {
  const { exitCode, stderr } = await lab.cli(['stand-in', '--vm', vm.id]);
  if (exitCode !== 0) throw new Error(`hearth stand-in: ${stderr}`);
}

async function queueOnTwo(
  lab: HearthLab,
  vms: readonly Vm[],
): Promise<{ succeeded: number; seconds: number; mostAtOnce: number }> {
  const startedMs = performance.now();
  const ids: string[] = [];
  for (let index = 0; index < QUEUED; index += 1) {
    const vm = vms[index % vms.length];
    if (vm === undefined) throw new Error('no VM');
    ids.push(runSchema.parse(await (await post(lab, '/api/runs', runBody(vm, `number ${index}`))).json()).id);
  }
  let runs: Run[] = [];
  let mostAtOnce = 0;
  do {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    runs = await Promise.all(
      ids.map(async (id) => runSchema.parse(await (await lab.fetch(`/api/runs/${id}`)).json())),
    );
    mostAtOnce = Math.max(mostAtOnce, runs.filter(({ state }) => state === 'running').length);
  } while (runs.some(({ endedAt }) => endedAt === null));
  for (const run of runs)
    if (run.state !== 'succeeded') say(`${run.id} ${run.state}: ${run.failure?.detail ?? ''}`);
  return {
    succeeded: runs.filter(({ state }) => state === 'succeeded').length,
    seconds: (performance.now() - startedMs) / 1000,
    mostAtOnce,
  };
}

const figures: Figure[] = [];
say('a slow reader of a fast run …');
const slow = await measureSlowReader();
figures.push(
  figure(
    'controller’s memory with a reader that stands still, over the same without readers',
    slow.growthMiB,
    'MiB',
    { most: 32 },
  ),
  context('  events of that run', slow.events, 'events'),
  context('  its output', slow.outputMiB, 'MiB'),
  context('  stored and told to a fast reader', slow.eventsPerSecond, '1/s'),
);

const lab = await makeLab({
  controller: { rateLimit: { max: 100_000 } },
  vms: { snapshots: { golden: false } },
});
try {
  say('bringing up a Hearth of its own …');
  await lab.up();
  await post(lab, '/api/auth/api-key', { provider: PROVIDER, apiKey: KEY });
  const first = vmSchema.parse((await createVm(lab, { kind: 'cli' })).vm);
  await standInInside(lab, first);
  const { command, env, stdin } = providers[PROVIDER].headless(PROMPT, { baseUrl: BASE_URL });
  const bare = { command, env: { ...env, [providers[PROVIDER].apiKeyVariable]: KEY }, stdin };
  const bareMs: number[] = [];
  const runMs: number[] = [];
  // The first of each reads the tool from the disk.
  await runFirstByteMs(lab, first);
  await bareFirstByteMs(lab, first, bare);
  for (let round = 1; round <= ROUNDS; round += 1) {
    bareMs.push(await bareFirstByteMs(lab, first, bare));
    runMs.push(await runFirstByteMs(lab, first));
    say(
      `round ${round}: bare ${(bareMs.at(-1) ?? 0).toFixed(0)} ms, run ${(runMs.at(-1) ?? 0).toFixed(0)} ms`,
    );
  }
  figures.unshift(
    figure(
      'a run, request to the tool’s first output / the bare command in the guest',
      median(runMs) / median(bareMs),
      'ratio',
      {
        most: 1.1,
      },
    ),
    context('  bare command in the guest (median)', median(bareMs) / 1000, 's'),
    context('  run through the API (median)', median(runMs) / 1000, 's'),
  );
  say(`${QUEUED} runs on two VMs …`);
  const second = vmSchema.parse((await createVm(lab, { kind: 'cli' })).vm);
  await standInInside(lab, second);
  const queue = await queueOnTwo(lab, [first, second]);
  figures.push(
    figure(`of ${QUEUED} runs queued on 2 VMs, those that succeeded`, queue.succeeded, 'runs', {
      least: QUEUED,
    }),
    context('  all of them', queue.seconds, 's'),
    context('  most at once', queue.mostAtOnce, 'runs'),
  );
} finally {
  await lab.dispose();
}
report(figures, 'tcg');
