import { programs, repository } from './places.ts';
import type { SourceBundle } from './source-bundle.ts';

const shared = [`${repository}packages/contract/src`, `${repository}package-lock.json`];

export const guestAgentBundle: SourceBundle = {
  name: 'Guest agent',
  buildScript: programs.guestAgentBuild,
  output: programs.guestAgent,
  sources: [
    ...shared,
    `${repository}packages/guest-agent/package.json`,
    `${repository}packages/guest-agent/src`,
  ],
};

/** The pages that the controller serves. */
export const webBundle: SourceBundle = {
  name: 'Web pages',
  buildScript: programs.webBuild,
  output: programs.web,
  sources: [
    ...shared,
    `${repository}packages/web/package.json`,
    `${repository}packages/web/index.html`,
    `${repository}packages/web/src`,
  ],
};

export const standInBundle: SourceBundle = {
  name: 'Stand-in',
  buildScript: programs.standInBuild,
  output: programs.standIn,
  sources: [...shared, `${repository}packages/testing/package.json`, `${repository}packages/testing/src`],
};
