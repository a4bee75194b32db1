import type { HostVm, HostVmState, VmId } from '@hearth/contract';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newVm } from '../domain/vms/vm-record.ts';
import { openDatabase, type Database } from '../store/database.ts';
import { createVmStore } from '../store/vms.ts';
import { createHostView, type HostView } from './host-view.ts';
import { createVmBook, type VmBook } from './vm-book.ts';
import { createVmChanges } from './vm-changes.ts';

const ID = 'vm-000000000000' as VmId;
const SIZE = { cpus: 1, memMiB: 2048, diskMiB: 1024 };

let db: Database;
let book: VmBook;
let view: HostView;

beforeEach(async () => {
  db = await openDatabase(':memory:');
  book = createVmBook(createVmStore(db), createVmChanges());
  const now = new Date('2026-01-01T00:00:00.000Z');
  view = createHostView({
    book,
    world: { now: () => now, randomBytes: () => new Uint8Array() },
    deleteAfterDays: 14,
    onSeen: () => undefined,
  });
  await book.store.insertWarm(
    newVm({ id: ID, userId: null, kind: 'cli', size: SIZE, desktop: null, requestId: 'request-1', now }),
  );
});
afterEach(() => db.destroy());

const seen = (state: HostVmState, version: number): HostVm => ({
  ...{ id: ID, kind: 'cli', state, ...SIZE, desktop: null, imageId: null, address: null, origin: null },
  ...{ phases: [], credentials: [], failure: null, finding: null, version },
});
const state = async (): Promise<string | undefined> => (await book.store.get(ID))?.state;

it('an event that was overtaken by a newer answer changes nothing', async () => {
  await view.take(seen('ready', 2));
  await view.take(seen('hibernated', 4));
  await view.take(seen('ready', 2));
  await view.takeAsked(seen('hibernating', 3));
  expect(await state()).toBe('hibernated');
  await view.take(seen('creating', 5));
  // Of before the resumption.
  await view.take(seen('hibernated', 4));
  expect(await state()).toBe('starting');
});

it('what was just asked for counts although it is known: the record moved on by a call that broke', async () => {
  await view.take(seen('ready', 2));
  await book.change(ID, (vm) => ({ ...vm, version: vm.version + 1, state: 'hibernating' }));
  await view.take(seen('ready', 2));
  expect(await state()).toBe('hibernating');
  await view.takeAsked(seen('ready', 2));
  expect(await state()).toBe('ready');
});

it('while a VM is being hibernated, that it is ready says nothing', async () => {
  await view.take(seen('ready', 2));
  await view.whileHibernating(ID, async () => {
    await book.change(ID, (vm) => ({ ...vm, version: vm.version + 1, state: 'hibernating' }));
    await view.take(seen('ready', 3));
    expect(await state()).toBe('hibernating');
    await view.take(seen('hibernated', 4));
  });
  expect(await state()).toBe('hibernated');
});

it('a host that began to count anew is believed again', async () => {
  await view.take(seen('ready', 7));
  await view.take(seen('failed', 1));
  expect(await state()).toBe('ready');
  view.forget();
  await view.take(seen('failed', 1));
  expect(await state()).toBe('failed');
});
