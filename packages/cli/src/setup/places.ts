import { fileURLToPath } from 'node:url';
import type { Config } from '@hearth/contract';

/** Folder of the repository. */
export const repository = fileURLToPath(new URL('../../../../', import.meta.url));

/** Where Node keeps compiled code: most of a short process's CPU time is compiling. */
export const compileCache = `${repository}.tools/compile-cache`;

export const programs = {
  host: `${repository}packages/host/src/main.ts`,
  image: `${repository}packages/host/src/image-main.ts`,
  namespace: `${repository}packages/host/src/namespace-main.ts`,
  controller: `${repository}packages/controller/src/main.ts`,
  guestAgentBuild: `${repository}packages/guest-agent/build.mjs`,
  guestAgent: `${repository}packages/guest-agent/dist/agent.mjs`,
  webBuild: `${repository}packages/web/build.mjs`,
  web: `${repository}packages/web/dist/index.html`,
  standInBuild: `${repository}packages/testing/build.mjs`,
  standIn: `${repository}packages/testing/dist/stand-in.mjs`,
  faultLab: `${repository}packages/testing/src/faults/main.ts`,
};

export interface Places {
  hostPid: string;
  controllerPid: string;
  /** The configuration as `up` checked it: both daemons get exactly this. */
  effectiveConfig: string;
  logs: string;
  hostLog: string;
  controllerLog: string;
  /** How long each step of `up` took the last time. */
  stepTimes: string;
}

export function places({ stateDir, runDir }: Pick<Config, 'stateDir' | 'runDir'>): Places {
  return {
    hostPid: `${runDir}/host.pid`,
    controllerPid: `${runDir}/controller.pid`,
    effectiveConfig: `${runDir}/config.json`,
    logs: `${stateDir}/logs`,
    hostLog: `${stateDir}/logs/host.log`,
    controllerLog: `${stateDir}/logs/controller.log`,
    stepTimes: `${stateDir}/step-times.json`,
  };
}

/** Node as we run ourselves: type stripping and its warning are no news to anybody. */
export const nodeArgs = ['--disable-warning=ExperimentalWarning'];
/** For daemons, a small young generation (MiB): Node’s own holds some 40 MiB more of what is garbage already. */
export const daemonArgs = [...nodeArgs, '--max-semi-space-size=4'];
