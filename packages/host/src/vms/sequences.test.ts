import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HearthError, type VmId } from '@hearth/contract';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeTestMachine, type TestMachine } from './test-machine.ts';
import {
  dieAtEachWrite,
  expectTruth,
  testCredential,
  testRequest,
  testSize,
  untilSettled,
  untilState,
} from './test-truth.ts';
import type { VmHost } from './vm-host.ts';

const IDS = ['vm-000000000001', 'vm-000000000002', 'vm-000000000003'] as VmId[];
const [ID = '' as VmId, FORK = '' as VmId] = IDS;
const RUNS = Number(process.env['PROVE_RUNS'] ?? 100);
const forever = new AbortController().signal;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-sequences-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const create = (host: VmHost, id: VmId): void => {
  host.create(id, { ...testSize, ...testRequest() });
};
const createReady = async (host: VmHost, id: VmId): Promise<void> => {
  create(host, id);
  await untilState(host, id, 'ready');
};

function killVmm(machine: TestMachine, id: VmId): void {
  for (const [pid, process] of machine.vmms) {
    if (process.spec.vmId !== id) continue;
    machine.vmms.delete(pid);
    process.exited.resolve('killed from outside');
  }
}

describe('F19: a daemon that dies at any write of its journal leaves what the next one makes true', () => {
  test('in the creation and removal of VMs', { timeout: 120_000 }, async () => {
    const writes = await dieAtEachWrite(folder, async (host) => {
      await createReady(host, ID);
      create(host, FORK);
      await host.destroy(FORK);
      await host.destroy(ID);
    });
    expect(writes).toBeGreaterThan(15);
  });

  test('in a boot from the image, and a restart', { timeout: 120_000 }, async () => {
    const live = async (host: VmHost): Promise<void> => {
      await createReady(host, ID);
      await host.restart(ID, testRequest());
      await untilState(host, ID, 'ready');
    };
    expect(await dieAtEachWrite(folder, live, { golden: false })).toBeGreaterThan(20);
  });

  test('in a start that fails, and what is done about it', { timeout: 120_000 }, async () => {
    const writes = await dieAtEachWrite(folder, async (host, machine) => {
      create(host, ID);
      await untilState(host, ID, 'booting', 'ready');
      killVmm(machine, ID);
      await untilState(host, ID, 'failed', 'ready');
      await host.destroy(ID);
      await createReady(host, ID);
    });
    expect(writes).toBeGreaterThan(15);
  });

  test('in the hand-over of a credential from VM to VM', { timeout: 120_000 }, async () => {
    const writes = await dieAtEachWrite(folder, async (host) => {
      await createReady(host, ID);
      await createReady(host, FORK);
      await host.credentials(ID).put(testCredential, forever);
      const taken = await host.credentials(ID).drop('claude_code', forever);
      await host.credentials(FORK).put(taken, forever);
    });
    expect(writes).toBeGreaterThan(20);
  });
});

const verbs = [
  'create',
  'fork',
  'hibernate',
  'resume',
  'resume cold',
  'restart',
  'destroy',
  'put',
  'drop',
  'kill VMM',
  'refuse next load',
] as const;
type Verb = (typeof verbs)[number];
interface Step {
  verb: Verb;
  vm: number;
  /** Its end is waited for before the next step. */
  awaited: boolean;
}

const step = fc.record<Step>({
  verb: fc.constantFrom(...verbs),
  vm: fc.nat({ max: IDS.length - 1 }),
  awaited: fc.boolean(),
});

async function act({ verb, vm }: Step, machine: TestMachine, host: VmHost): Promise<void> {
  const id = IDS[vm] ?? ID;
  switch (verb) {
    case 'create':
      create(host, id);
      return;
    case 'fork':
      host.create(id, { ...testSize, ...testRequest(), forkOf: IDS[(vm + 1) % IDS.length] ?? ID });
      return;
    case 'hibernate':
      await host.hibernate(id);
      return;
    case 'resume':
    case 'resume cold':
      await host.resume(id, { ...testRequest(), cold: verb === 'resume cold' });
      return;
    case 'restart':
      await host.restart(id, testRequest());
      return;
    case 'destroy':
      await host.destroy(id);
      return;
    case 'put':
      await host.credentials(id).put(testCredential, forever);
      return;
    case 'drop':
      await host.credentials(id).drop('claude_code', forever);
      return;
    case 'kill VMM':
      killVmm(machine, id);
      return;
    case 'refuse next load':
      machine.refuseLoad.next = true;
      return;
  }
}

/** What somebody may be told; anything else is a fault of ours. */
const asToldOrThrow = (error: unknown): void => {
  if (!(error instanceof HearthError) || error.code === 'internal') throw error;
};

test(
  'random sequences of calls, deaths of VMMs and of the daemon at any write leave the truth, and nothing else',
  { timeout: 300_000 },
  async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 14 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 3 }),
        fc.boolean(),
        async (steps, deaths, golden) => {
          runs += 1;
          const machine = await makeTestMachine(join(folder, String(runs)), { golden });
          const lives = deaths.values();
          let daemon = machine.daemon(lives.next().value);
          const unforeseen: unknown[] = [];
          const isDead = (of: typeof daemon): Promise<boolean> =>
            Promise.race([
              of.died.then(() => true),
              new Promise<boolean>((done) => setImmediate(done, false)),
            ]);
          for (const one of steps) {
            const acting = act(one, machine, daemon.host)
              .catch(asToldOrThrow)
              .catch((error: unknown) => void unforeseen.push(error));
            if (one.awaited) await Promise.race([acting, daemon.died]);
            // The next one may die while it takes up what is there.
            while (await isDead(daemon)) {
              daemon = machine.daemon(lives.next().value);
              await Promise.race([daemon.host.adopt(), daemon.died]);
            }
          }
          // What is still under way may kill it, too.
          const truth = expectTruthUnlessDead(machine, daemon);
          if (!(await truth)) {
            const last = machine.daemon();
            await last.host.adopt();
            await expectTruth(machine, last.host);
          }
          expect(unforeseen).toEqual([]);
        },
      ),
      { numRuns: RUNS },
    );
  },
);

/** false: the daemon died before everything had settled. */
async function expectTruthUnlessDead(
  machine: TestMachine,
  { host, died }: ReturnType<TestMachine['daemon']>,
): Promise<boolean> {
  const settled = untilSettled(host).then(() =>
    // A VMM that was just killed: its VM's failure is on its way.
    vi.waitFor(() => {
      for (const { id, state } of host.list())
        if (state === 'ready')
          expect([...machine.vmms.values()].some(({ spec }) => spec.vmId === id)).toBe(true);
    }, 5000),
  );
  const alive = await Promise.race([settled.then(() => true), died.then(() => false)]);
  if (alive) await expectTruth(machine, host);
  return alive;
}
