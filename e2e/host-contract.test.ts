import { join } from 'node:path';
import { makeLab } from '@hearth/testing';
import { describeHostContract } from '../packages/testing/src/host-contract/host-contract.ts';

describeHostContract('the real host daemon', async () => {
  const lab = await makeLab();
  await lab.up();
  // A controller would remove VMs that it does not know.
  process.kill(await lab.pid('controller'), 'SIGKILL');
  return { socketPath: join(lab.config.runDir, 'host.sock'), close: () => lab.dispose() };
});
