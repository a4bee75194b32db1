import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeHostContract } from '../host-contract/host-contract.ts';
import { startFakeHost } from './index.ts';

describeHostContract('the fake host', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-fake-'));
  const fake = await startFakeHost(join(folder, 'host.sock'));
  return {
    socketPath: fake.socketPath,
    close: async () => {
      await fake.close();
      await rm(folder, { recursive: true });
    },
  };
});
