import type { Layer, WhyCause } from '@hearth/contract';
import type { Fault } from './fault.ts';
import type { OwnedRoom } from './fault-room.ts';
import { askWhy } from './lab-vm.ts';
import { until } from './until.ts';

const EFFECT_TIMEOUT_MS = 60_000;
/** A daemon that was killed is there again, dnsmasq after its longest back-off. */
const WELL_TIMEOUT_MS = 45_000;

/** What `why` says. */
interface Answer {
  /** What `why` named; null where it named nothing. */
  named: WhyCause | null;
  layer: Layer | null;
  /** In its words, or why it could not be asked. */
  detail: string;
  /** Of the `why` alone. */
  whyMs: number | null;
}

export interface Trial extends Answer {
  fault: string;
  expected: WhyCause;
  right: boolean;
  /** From a VM that is well to one that is well again, or gone. */
  tookMs: number;
}

/**
 * Puts one fault into a VM that is well, has `why` name it, and takes it away. What goes wrong is told in the trial; only the
 * end of the run is thrown.
 */
export function makeTrials(room: OwnedRoom): (fault: Fault) => Promise<Trial> {
  const { lab, signal } = room;
  /** Found to be well after the last trial, and not touched since. */
  let well: string | null = null;

  /** Without it nobody could tell which fault a diagnosis is of. */
  async function untilWell(): Promise<void> {
    const { id } = room.vm;
    if (well === id) return;
    await until(`health of VM ${id}`, WELL_TIMEOUT_MS, signal, async () => {
      const { verdict, summary } = await askWhy(lab, id, false, signal);
      return verdict === 'healthy' ? null : summary;
    });
    well = id;
  }

  async function nameIt(fault: Fault): Promise<Answer> {
    await room.enter(fault.kind);
    await untilWell();
    well = null;
    await fault.inject(room);
    await until('its effect', EFFECT_TIMEOUT_MS, signal, () => fault.awaits(room));
    const state = await room.state();
    const stored = state === 'failed' || state === 'hibernated';
    const { finding, summary, tookMs } = await askWhy(lab, room.vm.id, stored, signal);
    if (finding === null) return { named: null, layer: null, detail: summary, whyMs: tookMs };
    return { named: finding.cause, layer: finding.layer, detail: finding.detail, whyMs: tookMs };
  }

  async function takeAway({ undo, spoils }: Fault): Promise<void> {
    await undo?.(room);
    if (spoils) await room.discard();
    else await untilWell();
  }

  return async (fault) => {
    const startedMs = performance.now();
    let answer: Answer = { named: null, layer: null, detail: '', whyMs: null };
    let problem: string | null = null;
    try {
      answer = await nameIt(fault);
    } catch (error) {
      problem = inWords(error);
    }
    try {
      await takeAway(fault);
    } catch (error) {
      problem ??= `it could not be taken away: ${inWords(error)}`;
      await room.discard().catch((cause: unknown) => {
        problem = `${problem ?? ''}; its VM can't be deleted: ${inWords(cause)}`;
      });
    }
    signal.throwIfAborted();
    return {
      ...{ fault: fault.name, expected: fault.expects, ...answer, detail: problem ?? answer.detail },
      right: problem === null && answer.named === fault.expects,
      tookMs: performance.now() - startedMs,
    };
  };
}

const inWords = (error: unknown): string => (error instanceof Error ? error.message : String(error));
