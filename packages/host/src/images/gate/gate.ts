import { randomBytes } from 'node:crypto';
import {
  asHearthError,
  HearthError,
  imageEventSchema,
  parseWith,
  startProgress,
  type ImageEvent,
  type ImageGate,
  type ImageManifest,
  type Log,
} from '@hearth/contract';
import { run } from '../../exec/run.ts';
import { prepareNamespace } from '../../network/namespace.ts';
import { runBound } from '../bound-run.ts';
import { openStore, readGate } from '../image-store.ts';
import { closeGateRoom, openGateRoom } from './gate-rooms.ts';

const NAMESPACE_TIMEOUT_MS = 60_000;

interface RunGateOptions {
  store: string;
  manifest: ImageManifest;
  /** Program and arguments that run `gate-inside` of this project. */
  inside: readonly string[];
  signal: AbortSignal;
  emit: (event: ImageEvent) => void;
  log: Log;
}

/** Opens a room, runs the gate in its namespace as a child, and clears the room away whatever happened. */
export async function runGate({
  store,
  manifest,
  inside,
  signal,
  emit,
  log,
}: RunGateOptions): Promise<ImageGate> {
  if (process.getuid?.() !== 0) throw new HearthError('requirement_missing', 'the gate runs as root');
  await openStore(store);
  const room = await openGateRoom(store, randomBytes(4).toString('hex'), log);
  try {
    const progress = startProgress({
      what: 'preparing the gate',
      timeoutMs: NAMESPACE_TIMEOUT_MS,
      signal,
      log,
    });
    await prepareNamespace(room.config, run, progress);
    let failure: ImageEvent | null = null;
    const onLine = (line: string): void => {
      const event = readEvent(line);
      if (event === null) log(line);
      else if (event.type === 'error') failure = event;
      else emit(event);
    };
    const args = [`--net=/run/netns/${room.config.name}`, ...inside, room.config.name, manifest.id];
    try {
      await runBound('nsenter', args, { signal, onLine, code: 'image_gate_failed' });
    } catch (error) {
      const told = failure as ImageEvent | null;
      if (told?.type === 'error')
        throw new HearthError(told.problem.code, told.problem.detail, { cause: error });
      throw asHearthError(error, 'image_gate_failed');
    }
  } finally {
    await closeGateRoom(room, log);
  }
  const gate = await readGate(store, manifest.id);
  if (gate === null) throw new HearthError('image_gate_failed', `the gate of ${manifest.id} left no finding`);
  return gate;
}

function readEvent(line: string): ImageEvent | null {
  if (!line.startsWith('{"type":')) return null;
  return parseWith(imageEventSchema, JSON.parse(line), 'image_gate_failed', 'a line of the gate');
}
