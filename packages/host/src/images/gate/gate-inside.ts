import { randomBytes } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  asHearthError,
  execEventSchema,
  HearthError,
  makeId,
  readEvents,
  startProgress,
  vmIdSchema,
  type Capability,
  type Config,
  type ImageGate,
  type ImageManifest,
  type Log,
  type VmKind,
} from '@hearth/contract';
import type { AgentClient, AgentEndpoint } from '../../guest-link/agent-client.ts';
import { openRuntime } from '../../runtime.ts';
import type { VmHost } from '../../vms/vm-host.ts';
import { vmPaths } from '../../vms/vm-paths.ts';
import { openImageSource } from '../image-source.ts';
import { storePaths } from '../image-store.ts';

/** Longest wait for one VM; the host's own deadlines end it earlier. */
const BOOT_TIMEOUT_MS = 15 * 60_000;
/** How much of an answer is kept as `detail`. */
const DETAIL_CHARACTERS = 300;

type CheckResult = ImageGate['results'][number];

interface GateOptions {
  config: Config;
  manifest: ImageManifest;
  signal: AbortSignal;
  onStage: (stage: string) => void;
  onCheck: (result: CheckResult) => void;
  log: Log;
}

/**
 * Boots the image cold, one VM of each kind, by the very code that boots users' VMs, and runs every check that the image
 * declares. Runs inside the room's namespace.
 */
export async function checkImage({
  config,
  manifest,
  signal,
  onStage,
  onCheck,
  log,
}: GateOptions): Promise<ImageGate> {
  // In here the candidate is the image of the day.
  const images = { ...openImageSource(config.imageStore), current: () => Promise.resolve(manifest) };
  const { vms, agents, vmmSource: source, close } = await openRuntime({ config, images, signal, log });
  const results: CheckResult[] = [];
  const note = (result: CheckResult): void => {
    results.push(result);
    onCheck(result);
  };
  try {
    onStage('probe boot');
    const { slowness } = await source.probe();
    const vmm = await source.vmm();
    const kinds = [...new Set(manifest.capabilities.flatMap(({ kinds: named }) => named))].sort().reverse();
    for (const kind of kinds) {
      onStage(`${kind} VM`);
      await checkKind({ ...{ kind, config, manifest, signal, vms, agents, slowness, note } });
    }
    const status = results.length > 0 && results.every(({ ok }) => ok) ? 'passed' : 'failed';
    return { status, at: new Date().toISOString(), vmm: `${vmm.name} (${source.accelerator()})`, results };
  } finally {
    await close();
  }
}

interface KindOptions {
  kind: VmKind;
  config: Config;
  manifest: ImageManifest;
  signal: AbortSignal;
  vms: VmHost;
  agents: AgentClient;
  slowness: number;
  note: (result: CheckResult) => void;
}

async function checkKind(options: KindOptions): Promise<void> {
  const { kind, config, manifest, signal, vms, agents, slowness, note } = options;
  const id = vmIdSchema.parse(makeId('vm', randomBytes));
  const startedMs = performance.now();
  const progress = startProgress({ what: `boot of a ${kind} VM`, timeoutMs: BOOT_TIMEOUT_MS, signal });
  const { cpus, memMiB, diskMiB } = config.vms[kind];
  const { width, height } = config.desktop;
  const desktop = kind === 'browser' ? { width, height } : null;
  try {
    vms.create(
      id,
      { kind, cpus, memMiB, diskMiB, desktop, requestedAtMs: Date.now(), requestId: `gate-${kind}` },
      { imageId: manifest.id },
    );
    const vm = await vms.waitFor(id, ({ state }) => state === 'ready' || state === 'failed', progress);
    const phases = vm.phases.map(({ phase, atMs }) => `${phase} ${Math.round(atMs)} ms`).join(', ');
    const detail = vm.failure === null ? phases : `${vm.failure.title}: ${vm.failure.detail} (${phases})`;
    note({
      name: 'ready',
      kind,
      ok: vm.state === 'ready',
      detail,
      durationMs: performance.now() - startedMs,
    });
    if (vm.state !== 'ready') return;
    const endpoint = vms.endpoint(id);
    for (const capability of manifest.capabilities) {
      if (!capability.kinds.includes(kind)) continue;
      signal.throwIfAborted();
      note(await checkCapability({ capability, kind, agents, endpoint, slowness, signal }));
    }
  } finally {
    await keepConsole(config, manifest, kind, vmPaths(config, id).console.logPath);
    await vms.destroy(id);
  }
}

/** The console of a gate outlives its room (F13). */
async function keepConsole(config: Config, { id }: ImageManifest, kind: VmKind, path: string): Promise<void> {
  try {
    await copyFile(path, join(storePaths(config.imageStore).logs, `gate-${id}-${kind}.console.log`));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

interface CapabilityOptions {
  capability: Capability;
  kind: VmKind;
  agents: AgentClient;
  endpoint: AgentEndpoint;
  slowness: number;
  signal: AbortSignal;
}

/** Runs one declared check in the guest. What goes wrong is the result. */
async function checkCapability(options: CapabilityOptions): Promise<CheckResult> {
  const { capability, kind, agents, endpoint, slowness, signal } = options;
  const { name, command, user, expect, timeoutMs } = capability;
  const startedMs = performance.now();
  const limitMs = Math.round(timeoutMs * slowness);
  const progress = startProgress({ what: `check ${name}`, timeoutMs: limitMs + 10_000, signal });
  const result = (ok: boolean, detail: string): CheckResult => ({
    ...{ name, kind, ok, durationMs: Math.round(performance.now() - startedMs) },
    detail: detail.trim().slice(-DETAIL_CHARACTERS),
  });
  let stdout = '';
  let stderr = '';
  try {
    const answer = await agents.forward(endpoint, {
      method: 'POST',
      path: '/exec',
      body: JSON.stringify({ command, user, timeoutMs: limitMs }),
      contentType: 'application/json',
      requestId: `gate-${name}`,
      signal: progress.signal,
    });
    if (answer.statusCode !== 200) return result(false, await answer.body.text());
    for await (const event of readEvents(answer.body, execEventSchema)) {
      if (event.type === 'stdout') stdout += Buffer.from(event.dataBase64, 'base64').toString();
      if (event.type === 'stderr') stderr += Buffer.from(event.dataBase64, 'base64').toString();
      if (event.type === 'error') return result(false, event.problem.detail);
      if (event.type !== 'exit') continue;
      const words = stdout.trim() === '' ? stderr : stdout;
      if (event.timedOut) return result(false, `did not end within ${limitMs} ms: ${words}`);
      if (event.exitCode !== 0) return result(false, `exit code ${event.exitCode}: ${stdout}${stderr}`);
      const fits = expect === undefined || new RegExp(expect, 'm').test(stdout);
      return result(fits, fits ? words : `${expect} is not in: ${words}`);
    }
    return result(false, 'the answer ended early');
  } catch (error) {
    if (signal.aborted) throw new HearthError('aborted', 'the gate was ended', { cause: error });
    return result(false, asHearthError(error).message);
  }
}
