import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigInput } from '@hearth/contract';
import { makeLab, serverCertificate, standInHosts, waitForGoldens, type HearthLab } from '@hearth/testing';
import { openStandInWorld, type StandInWorld } from './stand-in-world.ts';

const GATEWAY = '192.168.100.1';

/** A Hearth whose VMs reach the stand-in of all providers under their own names, and nothing else. */
export interface SigninLab extends AsyncDisposable {
  lab: HearthLab;
  world: StandInWorld;
  /** In every token that the stand-in gives. */
  canary: string;
}

export async function openSigninLab(overrides: ConfigInput = {}): Promise<SigninLab> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-stand-in-'));
  const tlsFolder = join(folder, 'tls');
  const { ca } = await serverCertificate(tlsFolder, standInHosts);
  if (ca === '') throw new Error('the stand-in has no authority');
  await chmod(folder, 0o755);
  const canary = `canary${randomBytes(8).toString('hex')}`;
  const lab = await makeLab({
    ...overrides,
    controller: { rateLimit: { max: 100_000 }, ...overrides.controller },
    vms: { snapshots: { golden: true }, ...overrides.vms },
    network: {
      allow: [`${GATEWAY}:443`, `${GATEWAY}:8787`],
      hosts: Object.fromEntries(standInHosts.map((name) => [name, GATEWAY])),
      caCertificates: [join(tlsFolder, 'ca.pem')],
      ...overrides.network,
    },
  });
  const dispose = async (): Promise<void> => {
    await lab.dispose();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await lab.up();
    await waitForGoldens(lab, ['cli', 'browser']);
    const world = await openStandInWorld({
      ...{ namespace: lab.config.name, address: GATEWAY, tlsFolder, canary },
    });
    return {
      ...{ lab, world, canary },
      [Symbol.asyncDispose]: async () => {
        await world[Symbol.asyncDispose]();
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
