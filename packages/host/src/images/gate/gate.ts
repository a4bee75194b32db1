import { HearthError, type ImageEvent, type ImageGate, type ImageManifest, type Log } from '@hearth/contract';
import { readGate } from '../image-store.ts';
import { runInRoom } from './run-in-room.ts';

interface RunGateOptions {
  store: string;
  manifest: ImageManifest;
  /** Program and arguments that run `gate-inside` of this project. */
  inside: readonly string[];
  signal: AbortSignal;
  emit: (event: ImageEvent) => void;
  log: Log;
}

/** Runs the gate in a room of its own. */
export async function runGate({
  store,
  manifest,
  inside,
  signal,
  emit,
  log,
}: RunGateOptions): Promise<ImageGate> {
  await runInRoom({
    ...{ store, signal, emit, log, code: 'image_gate_failed' },
    inside: (room) => [...inside, room, manifest.id],
  });
  const gate = await readGate(store, manifest.id);
  if (gate === null) throw new HearthError('image_gate_failed', `the gate of ${manifest.id} left no finding`);
  return gate;
}
