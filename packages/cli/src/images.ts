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
import { Exit } from './exit-codes.ts';
import { run } from './exec/run.ts';
import { guestAgentBundle } from './setup/bundles.ts';
import { runImageCommand } from './setup/image-process.ts';
import { requireRoot } from './setup/machine.ts';
import { sourceBundleStep } from './setup/source-bundle.ts';
import { formatBytes, formatDuration } from './terminal/duration.ts';
import type { Paint } from './terminal/output.ts';
import { renderTable } from './terminal/table.ts';
import { reportError } from './terminal/problem.ts';
import { makeStepDisplay } from './terminal/step-display.ts';

export interface BuildImageOptions extends CommonOptions {
  suite: string;
  mirror?: string;
  force?: boolean;
}

/** With --json the events go through as they are; the last one says how it ended. */
async function relay(
  options: CommonOptions,
  args: readonly string[],
  onEvent: (event: ImageEvent, context: Context) => void,
): Promise<void> {
  const context = makeContext(options);
  const config = await loadConfig(options.config, context.environment);
  try {
    await runImageCommand(
      run,
      [...args, '--store', config.imageStore],
      (event) => {
        if (context.out.json) context.out.value(event);
        else onEvent(event, context);
      },
      context.signal,
    );
  } catch (error) {
    if (!context.out.json) throw error;
    throw new Exit(reportError(error, { json: true, verbose: options.verbose ?? false }));
  }
}

export async function buildImage(options: BuildImageOptions): Promise<void> {
  requireRoot('hearth image build');
  const context = makeContext(options);
  const bundle = sourceBundleStep(run, guestAgentBundle, context.signal);
  const report = { stage: () => undefined, note: (text: string) => context.out.note(text) };
  if ((await bundle.isDone()) === null) await bundle.run(report);
  const { suite, mirror, force } = options;
  const args = [
    'build',
    '--suite',
    suite,
    ...(mirror === undefined ? [] : ['--mirror', mirror]),
    ...(force === true ? ['--force'] : []),
  ];
  await withProgress('Golden image', options, args);
}

export async function gateImage(id: string | undefined, options: CommonOptions): Promise<void> {
  requireRoot('hearth image gate');
  await withProgress('Gate', options, ['gate', ...(id === undefined ? [] : [checkId(id)])]);
}

/** Stages as moving lines, failed checks as lines that stay. */
async function withProgress(title: string, options: CommonOptions, args: readonly string[]): Promise<void> {
  const { out } = makeContext(options);
  const display = makeStepDisplay(out, () => performance.now());
  const startMs = performance.now();
  const elapsed = (): number => Math.round(performance.now() - startMs);
  if (!out.json) display.started(title, 6 * 60_000);
  try {
    let detail = 'ended';
    await relay(options, args, (event) => {
      if (event.type === 'stage') display.stage(title, event.stage, event.expectedMs);
      if (event.type === 'message') display.note(event.text);
      if (event.type === 'check') display.note(renderCheck(event, out.paint));
      if (event.type === 'done')
        detail = `${event.imageId}${event.reused ? ', nothing had to be built' : ''}`;
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
  await relay(options, ['ls'], (event, { out }) => {
    if (event.type !== 'list') return;
    if (event.images.length === 0) out.note('There is no image yet; build one with: hearth image build');
    else out.line(renderImages(event.images, out.paint));
  });
}

export async function showImage(id: string, options: CommonOptions): Promise<void> {
  await relay(options, ['show', checkId(id)], (event, { out }) => {
    if (event.type === 'image') out.line(renderImage(event.manifest, event.gate, out.paint));
  });
}

export async function removeImage(id: string, options: CommonOptions): Promise<void> {
  requireRoot('hearth image rm');
  await relay(options, ['rm', checkId(id)], (event, { out }) => {
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
  return `  ${ok ? paint.good('✓') : paint.bad('✗')} ${kind}: ${name}${detail === '' ? '' : paint.dim(` · ${detail}`)}`;
}
