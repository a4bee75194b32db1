import {
  HearthError,
  runSchema,
  terminalRunStates,
  vmListSchema,
  vmSchema,
  vmStates,
  type Run,
  type Vm,
  type VmId,
  type VmState,
} from '@hearth/contract';
import { startFakeHost, type FakeHost } from '@hearth/testing';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { vmStateTable } from './domain/vms/state-table.ts';
import { startTestController, until, type TestController } from './test-controller.ts';
import { passingKeys } from './vault/key-store.ts';

const RUNS = Number(process.env['PROVE_RUNS'] ?? 100);
const KEY = 'sk-ant-fake-0123456789-NOT-A-TOKEN';
const SETTLE_TIMEOUT_MS = 15_000;

/** The controller under test is dead once it has made so many durable writes: whatever it asks its database fails. */
const mortal = { file: '', writesLeft: Infinity };
type Statement = Sqlite.Statement & { database: Sqlite.Database };
const prototype = Reflect.getPrototypeOf(new Sqlite(':memory:').prepare('SELECT 1')) as Statement;
const verbsOfStatements = ['run', 'get', 'all'] as const;
type Verb = (this: Statement, ...args: unknown[]) => unknown;
const originals = verbsOfStatements.map((verb) => {
  const original: Verb = Reflect.get(prototype, verb);
  return { verb, original };
});
beforeAll(() => {
  for (const { verb, original } of originals)
    prototype[verb] = function mortalVerb(this: Statement, ...args: unknown[]) {
      if (this.database.name !== mortal.file) return original.apply(this, args);
      const isDurable = /^\s*commit/i.test(this.source) || (!this.readonly && !this.database.inTransaction);
      if (mortal.writesLeft <= 0) throw new Error('this controller is dead');
      if (isDurable) mortal.writesLeft -= 1;
      return original.apply(this, args);
    } as never;
});
afterAll(() => {
  for (const { verb, original } of originals) prototype[verb] = original as never;
});

const verbs = [
  'create',
  'show',
  'list',
  'hibernate',
  'resume',
  'fork',
  'restart',
  'delete',
  'run',
  'put credential',
  'kill VMM',
  'fail boots',
  'mend boots',
  'cut events',
  'restart host',
  'restart controller',
] as const;
interface Step {
  verb: (typeof verbs)[number];
  vm: number;
  awaited: boolean;
}
const step = fc.record<Step>({
  verb: fc.constantFrom(...verbs),
  vm: fc.nat({ max: 3 }),
  awaited: fc.boolean(),
});

/** Every state that the table leads to, in however many steps. */
function reachable(from: VmState, seen = new Set<VmState>([from])): Set<VmState> {
  for (const next of Object.values(vmStateTable[from])) {
    if (seen.has(next)) continue;
    seen.add(next);
    reachable(next, seen);
  }
  return seen;
}

/** One person's VMs and runs over the lives of several controllers. */
class Story {
  readonly #host: FakeHost;
  readonly #database: string;
  readonly #keys = passingKeys();
  #api: TestController | null = null;
  #token = '';
  readonly #vms = new Map<VmId, VmState>();
  /** Those of which somebody was told that they are made. */
  readonly #accepted = new Set<VmId>();
  readonly #runs = new Map<Run['id'], Run['state']>();
  readonly unforeseen: string[] = [];

  constructor(host: FakeHost, database: string) {
    this.#host = host;
    this.#database = database;
  }

  async start(writes = Infinity): Promise<void> {
    mortal.file = this.#database;
    mortal.writesLeft = Infinity;
    this.#api = await startTestController(this.#host.socketPath, {}, {}, null, {
      ...{ database: this.#database, keys: this.#keys },
    });
    if (this.#token === '') this.#token = await this.#api.token('ana');
    mortal.writesLeft = writes;
  }

  async stop(): Promise<void> {
    const api = this.#api;
    this.#api = null;
    // A dead one ends as it can.
    await Promise.resolve(api?.[Symbol.asyncDispose]()).catch(() => undefined);
  }

  get isDead(): boolean {
    return mortal.writesLeft <= 0;
  }

  async act({ verb, vm }: Step): Promise<void> {
    const { machines, script } = this.#host;
    const id = [...this.#vms.keys()][vm];
    switch (verb) {
      case 'create':
        await this.#remember(await this.#call('POST', '/api/vms', { kind: 'cli' }));
        return;
      case 'list':
        await this.look();
        return;
      case 'put credential':
        await this.#call('POST', '/api/auth/api-key', { provider: 'claude_code', apiKey: KEY });
        return;
      case 'run': {
        const answer = await this.#call('POST', '/api/runs', { provider: 'claude_code', prompt: 'hello' });
        if (answer?.ok !== true) return;
        const run = runSchema.parse(await answer.json());
        this.#runs.set(run.id, run.state);
        return;
      }
      case 'fail boots':
        script.failBoot = new HearthError('guest_not_ready', 'planted');
        return;
      case 'mend boots':
        script.failBoot = null;
        return;
      case 'cut events':
        this.#host.cutEvents();
        return;
      case 'restart host':
        await this.#host.stop();
        await this.#host.restart();
        return;
      case 'restart controller':
        await this.stop();
        await this.start();
        return;
      case 'kill VMM':
        if (id !== undefined && machines.get(id)?.state === 'ready')
          machines.crash(id, new HearthError('vmm_failed', 'planted'));
        return;
      case 'show':
        if (id !== undefined) await this.#remember(await this.#call('GET', `/api/vms/${id}`));
        return;
      case 'delete':
        if (id !== undefined) await this.#call('DELETE', `/api/vms/${id}`);
        return;
      case 'fork':
        if (id !== undefined) await this.#remember(await this.#call('POST', `/api/vms/${id}/fork`, {}));
        return;
      case 'hibernate':
      case 'resume':
      case 'restart':
        if (id !== undefined) await this.#call('POST', `/api/vms/${id}/${verb}`, {});
        return;
    }
  }

  /** All VMs; each must have come where it is by the state table. */
  async look(): Promise<Vm[]> {
    const answer = await this.#call('GET', '/api/vms');
    if (answer?.ok !== true) return [];
    const { vms } = vmListSchema.parse(await answer.json());
    for (const vm of vms) this.#check(vm);
    return vms;
  }

  async settled(): Promise<Vm[]> {
    let vms: Vm[] = [];
    const moving: readonly VmState[] = ['requested', 'starting', 'hibernating', 'deleting'];
    await until(
      'settled VMs and runs',
      async () => {
        vms = await this.look();
        const runs = await Promise.all([...this.#runs.keys()].map((id) => this.#showRun(id)));
        return (
          vms.every(({ state }) => !moving.includes(state)) &&
          runs.every((run) => terminalRunStates.includes(run.state))
        );
      },
      SETTLE_TIMEOUT_MS,
    );
    return vms;
  }

  async expectTruth(): Promise<void> {
    const { machines } = this.#host;
    const vms = await this.settled();
    // One that was seen while it was asked of the host is taken back where that fails, unless somebody was told of it.
    const known = [...this.#vms].filter(([id, state]) => state !== 'requested' || this.#accepted.has(id));
    for (const [id] of known)
      expect(
        vms.map((vm) => vm.id),
        'F25: accepted, so known',
      ).toContain(id);
    for (const { id, state, failure } of vms) {
      if (state === 'failed') expect(failure, 'a failure says why').not.toBeNull();
      if (state === 'ready' || state === 'hibernated') expect(machines.get(id)?.state).toBe(state);
    }
    for (const { id, state } of vms) if (state !== 'deleted') await this.#call('DELETE', `/api/vms/${id}`);
    await until('nothing on the host', () => machines.list().length === 0, SETTLE_TIMEOUT_MS);
    await until(
      'nothing that is not deleted',
      async () => (await this.look()).every(({ state }) => state === 'deleted'),
      SETTLE_TIMEOUT_MS,
    );
  }

  async #showRun(id: Run['id']): Promise<Run> {
    const answer = await this.#call('GET', `/api/runs/${id}`);
    const run = runSchema.parse(await answer?.json());
    const before = this.#runs.get(id);
    if (before !== undefined && terminalRunStates.includes(before))
      expect(run.state, 'F22: an outcome never changes').toBe(before);
    if (run.state === 'failed') expect(run.failure ?? run.exitCode).not.toBeNull();
    this.#runs.set(id, run.state);
    return run;
  }

  async #remember(answer: Response | null): Promise<void> {
    if (answer?.ok !== true) return;
    const vm = vmSchema.parse(await answer.json());
    this.#accepted.add(vm.id);
    this.#check(vm);
  }

  #check({ id, state }: Vm): void {
    const before = this.#vms.get(id);
    if (before !== undefined) expect([...reachable(before)], `${id} was ${before}`).toContain(state);
    this.#vms.set(id, state);
  }

  /** null: the controller was away, or died over it. */
  async #call(method: string, path: string, body?: object): Promise<Response | null> {
    const api = this.#api;
    if (api === null) return null;
    const answer = await api
      .call(this.#token, method, path, body === undefined ? {} : { body })
      .catch(() => null);
    if (answer?.status === 500 && !this.isDead)
      this.unforeseen.push(`${method} ${path}: ${await answer.clone().text()}`);
    return answer;
  }
}

it(
  'random sequences of calls and deaths leave the truth by the state table, and nothing on the host',
  { timeout: 600_000 },
  async () => {
    expect(vmStates).toHaveLength(Object.keys(vmStateTable).length);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 2 }),
        async (steps, deaths) => {
          const folder = await mkdtemp(join(tmpdir(), 'hearth-sequences-'));
          const host = await startFakeHost(join(folder, 'host.sock'), { bootMs: 5, hibernateMs: 3 });
          const story = new Story(host, join(folder, 'hearth.db'));
          const lives = deaths.values();
          try {
            await story.start(lives.next().value);
            const acting: Promise<void>[] = [];
            for (const one of steps) {
              const turn = story.act(one);
              acting.push(turn);
              if (one.awaited || one.verb === 'restart controller' || one.verb === 'restart host') await turn;
              if (!story.isDead) continue;
              await story.stop();
              await story.start(lives.next().value);
            }
            await Promise.all(acting);
            host.script.failBoot = null;
            await story.stop();
            await story.start();
            await story.expectTruth();
            expect(story.unforeseen).toEqual([]);
          } finally {
            await story.stop();
            await host.close();
            await rm(folder, { recursive: true, force: true });
          }
        },
      ),
      { numRuns: RUNS },
    );
  },
);
