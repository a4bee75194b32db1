import { HearthError, startProgress } from '@hearth/contract';
import { expect, test } from 'vitest';
import { identifyProcess } from '../exec/process-identity.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { Remedy } from '../network/remedy.ts';
import type { ExpectingRecord } from './expectation.ts';
import { createReconciler } from './reconciler.ts';
import { testAddress, testConfig, testRecord, wholeMachine } from './test-sight.ts';

const progress = () => startProgress({ what: 'test', timeoutMs: 10_000 });
/** A VM that is being saved: nothing is looked up of its process or its files here. */
const config = { ...testConfig, stateDir: '/nowhere', host: { ...testConfig.host, reconcileSeconds: 0 } };

async function openReconciler(spoil: (sight: NetworkSight) => void) {
  const self = await identifyProcess(process.pid);
  let records: ExpectingRecord[] = [{ ...testRecord(0), vmm: self }];
  const lines: string[] = [];
  const state = {
    ...{ broken: true, mends: true, looks: 0, repairs: [] as Remedy[][] },
    /** Happens between the two readings of the records. */
    meanwhile: (): void => undefined,
  };
  const reconciler = createReconciler({
    config,
    records: () => records,
    book: { list: () => records.map(({ id }) => ({ vmId: id, address: testAddress(0) })) },
    network: {
      sight: async () => {
        state.looks += 1;
        state.meanwhile();
        const { network } = wholeMachine([testRecord(0)]).seen;
        if (state.broken) spoil(network);
        return network;
      },
      repair: async (remedies) => {
        state.repairs.push([...remedies]);
        if (state.mends) state.broken = false;
      },
    },
    now: () => 0,
    log: (message) => lines.push(message),
  });
  const pass = async () => {
    const { drifts, ...rest } = await reconciler.pass(progress());
    // Files of a VM that is none are missing in each pass.
    return { ...rest, drifts: drifts.filter(({ subject }) => subject !== 'disk' && subject !== 'console') };
  };
  return { reconciler, pass, lines, state, setRecords: (next: ExpectingRecord[]) => (records = next) };
}

const tapDown = ({ links }: NetworkSight): void => {
  const [, tap] = links;
  if (tap !== undefined) tap.up = false;
};

test('drift is repaired, and called so only once it is seen to be', async () => {
  const { pass, state, lines, reconciler } = await openReconciler(tapDown);
  state.mends = false;
  expect((await pass()).drifts).toMatchObject([{ subject: 'tap', outcome: 'failed' }]);
  expect([...reconciler.suspects()]).toEqual([testRecord(0).id]);
  expect((await pass()).drifts).toMatchObject([{ subject: 'tap', outcome: 'failed' }]);
  // What stays as it is is told once.
  expect(lines.filter((line) => line.includes('drift: tap'))).toHaveLength(1);
  state.mends = true;
  expect(await pass()).toMatchObject({
    repairs: 1,
    passes: 3,
    drifts: [{ subject: 'tap', outcome: 'repaired' }],
  });
  expect(await pass()).toMatchObject({ repairs: 1, passes: 4, drifts: [] });
  expect(state.repairs).toHaveLength(3);
});

test('what only a person can mend is named, told once, and told again when it comes back', async () => {
  const { pass, state, lines } = await openReconciler((sight) =>
    sight.foreignDrops.push('ip other forward drops all'),
  );
  for (let n = 0; n < 3; n += 1) expect((await pass()).drifts).toMatchObject([{ outcome: 'named' }]);
  expect(state.repairs).toEqual([]);
  state.broken = false;
  expect((await pass()).drifts).toEqual([]);
  state.broken = true;
  await pass();
  expect(lines.filter((line) => line.includes('drift: firewall'))).toHaveLength(2);
});

test('F20: a VM that goes while it is looked at is no drift, and nothing is done to it', async () => {
  const { pass, state, setRecords } = await openReconciler(tapDown);
  state.meanwhile = () => setRecords([testRecord(0, 'deleting')]);
  expect((await pass()).drifts).toEqual([]);
  expect(state.repairs).toEqual([]);
});

test('who asks during a pass gets that one’s report', async () => {
  const { reconciler, state } = await openReconciler(() => undefined);
  const [one, two] = await Promise.all([reconciler.pass(progress()), reconciler.pass(progress())]);
  expect(one).toBe(two);
  expect(one.passes).toBe(1);
  expect(state.looks).toBeGreaterThan(0);
});

test('a caller that goes away ends its own waiting and not the pass', async () => {
  const { reconciler } = await openReconciler(() => undefined);
  const gone = new AbortController();
  const waiting = reconciler.pass(startProgress({ what: 'test', timeoutMs: 1000, signal: gone.signal }));
  gone.abort(new HearthError('aborted', 'gone'));
  await expect(waiting).rejects.toThrow('gone');
  expect((await reconciler.pass(progress())).passes).toBe(1);
  await reconciler.stop();
});
