import { join } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import {
  abortReason,
  asHearthError,
  encodeLine,
  HearthError,
  toProblem,
  type ImageEvent,
  type ImageGate,
  type Log,
} from '@hearth/contract';
import { buildEnvironment, searchPath } from './images/build-environment/config.ts';
import { buildImage } from './images/build-image.ts';
import { findNpm } from './images/find-npm.ts';
import { gateConfig } from './images/gate/gate-rooms.ts';
import { checkImage } from './images/gate/gate-inside.ts';
import { runGate } from './images/gate/gate.ts';
import { listImages, readGate, readImage, writeGate } from './images/image-store.ts';
import { removeImage } from './images/remove-image.ts';
import { makeGolden } from './snapshots/make-golden.ts';
import { runMaker } from './snapshots/run-maker.ts';
import { readWanted, SNAPSHOT_OPTIONS } from './snapshots/snapshot-arguments.ts';
import { readSnapshot } from './snapshots/snapshot-store.ts';
import { verifySnapshot } from './snapshots/wholeness.ts';

const PROJECT = join(import.meta.dirname, '../../..');

const OPTIONS = {
  store: { type: 'string', default: '/var/cache/hearth' },
  suite: { type: 'string', default: 'bookworm' },
  mirror: { type: 'string' },
  force: { type: 'boolean', default: false },
  /** Taken for uniformity: the output is JSON lines either way. */
  json: { type: 'boolean', default: false },
  recipe: { type: 'string', default: join(PROJECT, 'image') },
  agent: { type: 'string', default: join(PROJECT, 'packages/guest-agent/dist/agent.mjs') },
  ...SNAPSHOT_OPTIONS,
} as const satisfies ParseArgsConfig['options'];

const emit = (event: ImageEvent): void => {
  process.stdout.write(encodeLine(event));
};

/**
 * build | ls | show ID | gate [ID] | rm ID | snapshot KIND | verify-snapshot ID, told in JSON lines; `done`, `list`, `image`,
 * `removed`, `snapshot` or `error` is the last.
 */
async function main(signal: AbortSignal): Promise<void> {
  const { values, positionals } = readArguments();
  const [verb, id, third] = positionals;
  const onWait = (): void =>
    emit({ type: 'message', text: `the store ${values.store} is in use by a build; waiting` });
  switch (verb) {
    case 'build': {
      const { manifest, reused, elapsedMs } = await buildImage({
        store: values.store,
        recipeFolder: values.recipe,
        suite: values.suite,
        ...(values.mirror === undefined ? {} : { mirror: values.mirror }),
        force: values.force,
        agentBundle: values.agent,
        npm: await findNpm(searchPath()),
        env: buildEnvironment(),
        signal,
        emit,
      });
      const gate = (await readGate(values.store, manifest.id))?.status ?? 'pending';
      emit({ type: 'done', imageId: manifest.id, reused, elapsedMs, gate });
      return;
    }
    case 'ls':
      emit({ type: 'list', images: await listImages(values.store) });
      return;
    case 'show': {
      const manifest = await readImage(values.store, need(id));
      emit({ type: 'image', manifest, gate: await readGate(values.store, manifest.id) });
      return;
    }
    case 'rm': {
      const { id: imageId } = await readImage(values.store, need(id));
      const freedBytes = await removeImage(values.store, imageId, signal, onWait);
      emit({ type: 'removed', imageId, freedBytes });
      return;
    }
    case 'gate': {
      const manifest = await readImage(values.store, id ?? (await newest(values.store)));
      const inside = [process.execPath, import.meta.filename, 'gate-inside', '--store', values.store];
      const gate = await runGate({ store: values.store, manifest, inside, signal, emit, log });
      emit({ type: 'image', manifest, gate });
      if (gate.status === 'failed') {
        const failed = gate.results.filter(({ ok }) => !ok).map(({ name, kind }) => `${name} (${kind})`);
        throw new HearthError('image_gate_failed', `${manifest.id}: ${failed.join(', ')}`);
      }
      return;
    }
    // Only runGate calls this, in the namespace of a gate's room.
    case 'gate-inside': {
      const manifest = await readImage(values.store, need(third));
      const config = gateConfig(values.store, need(id));
      const onCheck = ({ name, kind, ok, detail }: ImageGate['results'][number]): void =>
        emit({ type: 'check', name, kind, ok, detail });
      const startMs = performance.now();
      const onStage = (stage: string): void =>
        emit({ type: 'stage', stage, elapsedMs: Math.round(performance.now() - startMs) });
      const gate = await checkImage({ config, manifest, signal, onStage, onCheck, log });
      await writeGate(values.store, manifest.id, gate);
      return;
    }
    case 'snapshot': {
      const startMs = performance.now();
      const { store } = values;
      const { args } = await readWanted(values, id);
      const inside = (room: string) => [
        process.execPath,
        import.meta.filename,
        'snapshot-inside',
        room,
        ...args,
      ];
      const { id: snapshotId, reused } = await runMaker({ store, inside, signal, emit, log });
      emit({ type: 'snapshot', snapshotId, reused, elapsedMs: Math.round(performance.now() - startMs) });
      return;
    }
    // Only runMaker calls this, in the namespace of its room.
    case 'snapshot-inside': {
      const startMs = performance.now();
      const elapsedMs = (): number => Math.round(performance.now() - startMs);
      const { image, wanted, needles, vms } = await readWanted(values, third);
      const { id: snapshotId, reused } = await makeGolden({
        ...{ config: gateConfig(values.store, need(id), vms), image, wanted, needles, signal, log },
        onStage: (stage) => emit({ type: 'stage', stage, elapsedMs: elapsedMs() }),
      });
      emit({ type: 'snapshot', snapshotId, reused, elapsedMs: elapsedMs() });
      return;
    }
    case 'verify-snapshot': {
      const startMs = performance.now();
      const stored = await readSnapshot(values.store, need(id));
      await verifySnapshot(stored, signal);
      const elapsedMs = Math.round(performance.now() - startMs);
      emit({ type: 'snapshot', snapshotId: stored.manifest.id, reused: true, elapsedMs });
      return;
    }
    default:
      throw new HearthError(
        'bad_request',
        `expected build, ls, show ID, gate [ID], rm ID, snapshot KIND or verify-snapshot ID, not ${verb ?? 'nothing'}`,
      );
  }
}

/** Standard output is for events. */
const log: Log = (message, fields) => {
  process.stderr.write(encodeLine({ message, ...fields }));
};

async function newest(store: string): Promise<string> {
  const [image] = await listImages(store);
  if (image === undefined) throw new HearthError('image_missing', `${store} holds no image`);
  return image.id;
}

function readArguments() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new HearthError('bad_request', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function need(id: string | undefined): string {
  if (id === undefined) throw new HearthError('bad_request', 'the id of an image is missing');
  return id;
}

const ending = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => ending.abort(new HearthError('aborted', `ended by ${name}`)));
}
try {
  await main(ending.signal);
} catch (error) {
  const cause = ending.signal.aborted ? abortReason(ending.signal) : error;
  emit({ type: 'error', problem: toProblem(asHearthError(cause, 'image_build_failed')) });
  process.exitCode = 1;
}
