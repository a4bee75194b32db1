import {
  imageIdSchema,
  HearthError,
  type ImageEvent,
  type ImageGate,
  type ImageManifest,
  type ImageSummary,
} from '@hearth/contract';
import { loadConfig } from './config.ts';
import { makeContext, type CommonOptions, type Context } from './context.ts';
import { run } from './exec/run.ts';
import { guestAgentBundle } from './setup/bundles.ts';
import { buildGatedImage, runImageCommand } from './setup/image-process.ts';
import { requireRoot } from './setup/machine.ts';
import { sourceBundleStep } from './setup/source-bundle.ts';
import { formatBytes, formatDuration } from './terminal/duration.ts';
import type { Paint } from './terminal/output.ts';
import { renderTable } from './terminal/table.ts';
import { makeStepDisplay } from './terminal/step-display.ts';

export interface BuildImageOptions extends CommonOptions {
  suite: string;
  mirror?: string;
  force?: boolean;
}

type OnEvent = (event: ImageEvent) => void;
type Work = (store: string, onEvent: OnEvent, signal: AbortSignal) => Promise<unknown>;

/** One of the image commands as it is; its arguments are checked already. */
const command =
  (...args: string[]): Work =>
  (store, onEvent, signal) =>
    runImageCommand(run, [...args, '--store', store], onEvent, signal);

/** With --json the events go through as they are. */
async function relay(
  options: CommonOptions,
  work: Work,
  onEvent: (event: ImageEvent, context: Context) => void,
): Promise<void> {
  const context = makeContext(options);
  const config = await loadConfig(options.config, context.environment);
  const pass: OnEvent = (event) => {
    if (context.out.json) context.out.value(event);
    else onEvent(event, context);
  };
  await work(config.imageStore, pass, context.signal);
}

export async function buildImage(options: BuildImageOptions): Promise<void> {
  requireRoot('hearth image build');
  const { suite, mirror, force } = options;
  const buildArgs = [
    ...['--suite', suite],
    ...(mirror === undefined ? [] : ['--mirror', mirror]),
    ...(force === true ? ['--force'] : []),
  ];
  await withProgress('Golden image', options, async (store, onEvent, signal) => {
    const bundle = sourceBundleStep(run, guestAgentBundle, signal);
    if ((await bundle.isDone()) === null) await bundle.run({ stage: () => undefined, note: () => undefined });
    await buildGatedImage(run, { store, buildArgs }, onEvent, signal);
  });
}

export async function gateImage(id: string | undefined, options: CommonOptions): Promise<void> {
  requireRoot('hearth image gate');
  await withProgress('Gate', options, command('gate', ...(id === undefined ? [] : [checkId(id)])));
}

/** Stages as moving lines, checks as lines that stay. */
async function withProgress(title: string, options: CommonOptions, work: Work): Promise<void> {
  const { out } = makeContext(options);
  const display = makeStepDisplay(out, () => performance.now());
  const startMs = performance.now();
  const elapsed = (): number => Math.round(performance.now() - startMs);
  if (!out.json) display.started(title, 6 * 60_000);
  try {
    let detail = '';
    await relay(options, work, (event) => {
      if (event.type === 'stage') display.stage(title, event.stage, event.expectedMs);
      if (event.type === 'message') display.note(event.text);
      if (event.type === 'check') display.note(renderCheck(event, out.paint));
      if (event.type === 'done')
        detail = `${event.imageId}${event.reused ? ', nothing had to be built' : ' built'}`;
      if (event.type === 'image') detail = `${event.manifest.id} ${event.gate?.status ?? 'was not gated'}`;
    });
    if (!out.json) display.ended({ step: title, state: 'done', detail, elapsedMs: elapsed() });
  } catch (error) {
    if (!out.json) display.ended({ step: title, state: 'failed', detail: '', elapsedMs: elapsed() });
    throw error;
  } finally {
    display.stop();
  }
}

export async function listImages(options: CommonOptions): Promise<void> {
  await relay(options, command('ls'), (event, { out }) => {
    if (event.type !== 'list') return;
    if (event.images.length === 0) out.note('There is no image yet; build one with: hearth image build');
    else out.line(renderImages(event.images, out.paint));
  });
}

export async function showImage(id: string, options: CommonOptions): Promise<void> {
  await relay(options, command('show', checkId(id)), (event, { out }) => {
    if (event.type === 'image') out.line(renderImage(event.manifest, event.gate, out.paint));
  });
}

export async function removeImage(id: string, options: CommonOptions): Promise<void> {
  requireRoot('hearth image rm');
  await relay(options, command('rm', checkId(id)), (event, { out }) => {
    if (event.type === 'message') out.note(event.text);
    if (event.type === 'removed')
      out.line(`${event.imageId} removed, ${formatBytes(event.freedBytes)} freed`);
  });
}

function checkId(text: string): string {
  const parsed = imageIdSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new HearthError(
    'bad_request',
    `"${text}" is not the id of an image: expected img- and 12 hex digits`,
    {
      hint: '`hearth image ls` lists the ids.',
    },
  );
}

function renderImages(images: readonly ImageSummary[], paint: Paint): string {
  return renderTable(
    ['ID', 'SUITE', 'AGENT', 'SIZE', 'GATE', 'CREATED', ''],
    images.map((image) => [
      image.id,
      image.suite,
      image.agentVersion,
      formatBytes(image.totalBytes),
      image.gate === 'passed'
        ? paint.good(image.gate)
        : image.gate === 'failed'
          ? paint.bad(image.gate)
          : paint.warn(image.gate),
      image.createdAt,
      image.current ? paint.accent('current') : '',
    ]),
  );
}

export function renderImage(manifest: ImageManifest, gate: ImageGate | null, paint: Paint): string {
  const { kernel, layers, tools, agent, packages } = manifest;
  const row = (name: string, value: string): string => `  ${paint.dim(name.padEnd(9))} ${value}`;
  return [
    paint.bold(manifest.id),
    row('created', manifest.createdAt),
    row('suite', `${manifest.suite} (${manifest.arch}), ${packages.length} packages`),
    row('kernel', `${kernel.release}, ${formatBytes(kernel.bytes)}`),
    row('agent', agent.version),
    row('tools', tools.map(({ name, version }) => `${name} ${version}`).join(', ')),
    ...layers.map(({ role, bytes, path }) => row('layer', `${role}, ${formatBytes(bytes)}: ${path}`)),
    row('size', formatBytes(manifest.totalBytes)),
    row('gate', gate === null ? 'has not run' : `${gate.status} at ${gate.at} on ${gate.vmm}`),
    ...(gate?.results ?? []).map(
      (result) => `  ${renderCheck(result, paint)} ${paint.dim(formatDuration(result.durationMs))}`,
    ),
  ].join('\n');
}

function renderCheck(
  { name, kind, ok, detail }: { name: string; kind: string; ok: boolean; detail: string },
  paint: Paint,
): string {
  return `  ${ok ? paint.good('✓') : paint.bad('✗')} ${kind}: ${name}${detail === '' ? '' : paint.dim(` · ${firstLine(detail)}`)}`;
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';
