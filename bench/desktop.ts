import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { passwordFile } from '@hearth/rfb';
import { keyEcho } from './lib/key-echo.ts';
import { context, figure, median, report, say, type Figure } from './lib/report.ts';
import { openLoad, updateBytes, type RfbLoad } from './lib/rfb-load.ts';

/**
 * `hearth bench desktop [--json] [--check]` (by hand also --rounds N, and --only PART for a quick look): the way of a desktop's
 * bytes, as the controller and the host daemon have it (their own modules, in two processes, joined by a unix socket), beside
 * websockify and a bare relay on the same VNC server: an Xtigervnc of this bench. Key echo is measured in a real browser VM.
 */
const option = (name: string): string | undefined => {
  const index = process.argv.indexOf(name);
  return index === -1 ? undefined : process.argv[index + 1];
};
const parts = ['throughput', 'latency', 'idle', 'held', 'echo'] as const;
const only = option('--only');
if (only !== undefined && !parts.some((part) => part === only))
  throw new Error(`there is no part "${only}": ${parts.join(', ')}`);
const wanted = (part: (typeof parts)[number]): boolean => only === undefined || only === part;
const rounds = Number(option('--rounds') ?? 5);
const SCREEN = { width: 1280, height: 720 };
const PASSWORD = 'benchpwd';
/** Requests under way, so that the server never waits for one. */
const DEPTH = 4;
const WARM_UP_MS = 500;
const MEASURE_MS = 2500;
const LATENCY_ROUNDS = 10;
const LATENCY_SAMPLES = 100;
const IDLE_VIEWERS = 20;
const IDLE_MS = 20_000;
const HELD_VIEWERS = 50;
const HELD_MS = 60_000;
const START_TIMEOUT_MS = 20_000;

/** One way from a viewer to the VNC server. */
interface Way {
  name: string;
  port: number;
  /** Of its WebSocket; null: TCP. */
  path: string | null;
  pids: number[];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const children: ChildProcess[] = [];
function start(command: string, args: readonly string[]): number {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => (words = (words + String(chunk)).slice(-2000)));
  child.on('exit', (code) => {
    if (!ending) say(`${command} ended with ${code}: ${words}`);
  });
  if (child.pid === undefined) throw new Error(`${command} did not start`);
  return child.pid;
}
let ending = false;

const startNode = (script: string, args: readonly string[]): number =>
  start(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'lib', script),
    ...args,
  ]);

async function joinWay({ port, path }: Way): Promise<RfbLoad> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await openLoad(port, path);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await pause(200);
    }
  }
}

interface Throughput {
  bytesPerSecond: number;
  /** CPU seconds of the way's own processes for each GB. */
  cpuPerGb: number;
}

/** Whole pictures in Raw, one after the other. */
async function throughput(way: Way): Promise<Throughput> {
  const load = await joinWay(way);
  const whole = updateBytes(SCREEN.width, SCREEN.height);
  let credit = 0;
  load.onBytes = (bytes) => {
    for (credit += bytes; credit >= whole; credit -= whole) load.request(false, SCREEN.width, SCREEN.height);
  };
  for (let count = 0; count < DEPTH; count += 1) load.request(false, SCREEN.width, SCREEN.height);
  await pause(WARM_UP_MS);
  const before = load.bytes();
  const cpuBefore = await cpuSeconds(way.pids);
  const startedMs = performance.now();
  await pause(MEASURE_MS);
  const bytes = load.bytes() - before;
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = (await cpuSeconds(way.pids)) - cpuBefore;
  load.close();
  return { bytesPerSecond: bytes / seconds, cpuPerGb: cpu / (bytes / 1e9) };
}

/** Milliseconds from a request for one pixel to its answer, one after the other. */
async function latencies(load: RfbLoad): Promise<number[]> {
  const samples: number[] = [];
  for (let count = 0; count < LATENCY_SAMPLES; count += 1) {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const enough = load.bytes() + updateBytes(1, 1);
    load.onBytes = () => {
      if (load.bytes() >= enough) resolve(undefined);
    };
    const startedMs = performance.now();
    load.request(false, 1, 1);
    await promise;
    samples.push(performance.now() - startedMs);
  }
  return samples;
}

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ??
  Number.NaN;

/** Of the processes and of their children: websockify makes one for each viewer. */
async function cpuSeconds(pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
    const below = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
    if (below !== '') ticks += 100 * (await cpuSeconds(below.split(' ').map(Number)));
  }
  return ticks / 100;
}

/** CPU seconds that one viewer costs for a minute in which nothing happens on the screen. */
async function idleCost(way: Way): Promise<number> {
  const loads = await Promise.all(Array.from({ length: IDLE_VIEWERS }, () => joinWay(way)));
  for (const load of loads) load.request(true, SCREEN.width, SCREEN.height);
  await pause(1000);
  const before = await cpuSeconds(way.pids);
  await pause(IDLE_MS);
  const used = (await cpuSeconds(way.pids)) - before;
  for (const load of loads) load.close();
  return (used / IDLE_VIEWERS) * (60_000 / IDLE_MS);
}

/** Many viewers of a screen that changes; how many of them are left, and the fewest pictures that one got. */
async function held(way: Way, display: string): Promise<{ left: number; fewestPictures: number }> {
  const loads: RfbLoad[] = [];
  for (let count = 0; count < HELD_VIEWERS; count += 1) loads.push(await joinWay(way));
  const whole = updateBytes(SCREEN.width, SCREEN.height);
  for (const load of loads) {
    let credit = 0;
    load.onBytes = (bytes) => {
      for (credit += bytes; credit >= whole; credit -= whole) load.request(true, SCREEN.width, SCREEN.height);
    };
    load.request(false, SCREEN.width, SCREEN.height);
  }
  const endMs = performance.now() + HELD_MS;
  for (let colour = 0; performance.now() < endMs; colour += 1) {
    const paint = spawn('xsetroot', [
      '-display',
      display,
      '-solid',
      `#${(colour % 4096).toString(16).padStart(3, '0')}`,
    ]);
    await once(paint, 'exit');
    await pause(1000);
  }
  const left = loads.filter((load) => !load.closed()).length;
  const fewestPictures = Math.floor(Math.min(...loads.map((load) => load.bytes())) / whole);
  for (const load of loads) load.close();
  return { left, fewestPictures };
}

async function ofTheWay(folder: string): Promise<void> {
  const vncPort = await freePort();
  const display = `:${50 + (process.pid % 40)}`;
  await writeFile(join(folder, 'passwd'), passwordFile(PASSWORD), { mode: 0o600 });
  start('Xtigervnc', [
    ...[display, '-geometry', `${SCREEN.width}x${SCREEN.height}`, '-depth', '24', '-localhost'],
    ...[
      '-rfbport',
      String(vncPort),
      '-SecurityTypes',
      'VncAuth,None',
      '-PasswordFile',
      join(folder, 'passwd'),
    ],
    ...['-nolisten', 'tcp', '-AlwaysShared'],
  ]);
  const socketPath = join(folder, 'host.sock');
  const hostPid = startNode('desktop-host.ts', [socketPath, String(vncPort), PASSWORD]);
  const hearthPort = await freePort();
  const controllerPid = startNode('desktop-controller.ts', [String(hearthPort), socketPath]);
  const barePort = await freePort();
  const barePid = startNode('bare-relay.ts', [String(barePort), String(vncPort)]);
  const websockifyPort = await freePort();
  const websockifyPid = start('websockify', [`127.0.0.1:${websockifyPort}`, `127.0.0.1:${vncPort}`]);
  const direct: Way = { name: 'direct', port: vncPort, path: null, pids: [] };
  const hearth: Way = { name: 'Hearth', port: hearthPort, path: '/', pids: [hostPid, controllerPid] };
  const bare: Way = { name: 'bare relay', port: barePort, path: null, pids: [barePid] };
  const websockify: Way = { name: 'websockify', port: websockifyPort, path: '/', pids: [websockifyPid] };

  if (wanted('throughput')) {
    const rates = new Map<Way, Throughput[]>([direct, bare, hearth, websockify].map((way) => [way, []]));
    for (let round = 1; round <= rounds; round += 1) {
      for (const [way, measured] of rates) measured.push(await throughput(way));
      const words = [...rates].map(
        ([{ name }, list]) => `${name} ${((list.at(-1)?.bytesPerSecond ?? 0) / 1e6).toFixed(0)} MB/s`,
      );
      say(`round ${round}: ${words.join(', ')}`);
    }
    const rateOf = (way: Way): number => median((rates.get(way) ?? []).map((one) => one.bytesPerSecond));
    const costOf = (way: Way): number => median((rates.get(way) ?? []).map(({ cpuPerGb }) => cpuPerGb));
    figures.push(
      figure('throughput / websockify', rateOf(hearth) / rateOf(websockify), 'ratio', { least: 3 }),
      figure('throughput / bare TCP relay', rateOf(hearth) / rateOf(bare), 'ratio', { least: 0.8 }),
      ...[...rates.keys()].map((way) => context(`  ${way.name} (median)`, rateOf(way) / 1e6, 'MB/s')),
      ...[bare, hearth, websockify].map((way) => context(`  CPU for a GB: ${way.name}`, costOf(way), 's')),
    );
  }
  if (wanted('latency')) {
    const [near, far] = [await joinWay(direct), await joinWay(hearth)];
    const directMs: number[] = [];
    const hearthMs: number[] = [];
    for (let round = 0; round < LATENCY_ROUNDS; round += 1) {
      directMs.push(...(await latencies(near)));
      hearthMs.push(...(await latencies(far)));
    }
    near.close();
    far.close();
    const added = (share: number): number => percentile(hearthMs, share) - percentile(directMs, share);
    figures.push(
      figure('latency added, p50', added(0.5), 'ms', { most: 1 }),
      figure('latency added, p99', added(0.99), 'ms', { most: 5 }),
      context('  direct, p50', percentile(directMs, 0.5), 'ms'),
      context('  through Hearth, p50', percentile(hearthMs, 0.5), 'ms'),
    );
  }
  if (wanted('idle')) {
    say(`${IDLE_VIEWERS} idle viewers, each way for ${IDLE_MS / 1000} s …`);
    const bareIdle = await idleCost(bare);
    figures.push(
      figure('CPU of an idle viewer, a minute', await idleCost(hearth), 's', { most: 0.06 }),
      context('  of a bare relay', bareIdle, 's'),
    );
  }
  if (wanted('held')) {
    say(`${HELD_VIEWERS} viewers of a changing screen for ${HELD_MS / 1000} s …`);
    const { left, fewestPictures } = await held(hearth, display);
    figures.push(
      figure(`viewers left of ${HELD_VIEWERS}`, left, '', { least: HELD_VIEWERS }),
      figure('  pictures that the last of them got', fewestPictures, '', { least: 2 }),
    );
  }
}

const figures: Figure[] = [];
let accelerator = 'none';
if (only !== 'echo') {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-bench-'));
  try {
    await ofTheWay(folder);
  } finally {
    ending = true;
    for (const child of children) child.kill('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  }
}
if (wanted('echo')) {
  const echo = await keyEcho(2 * rounds);
  figures.push(...echo.figures);
  ({ accelerator } = echo);
}
report(figures, accelerator);
