import { freeMiB } from '../../disks/private-disk.ts';
import { lookAtDisplay } from './look-at-display.ts';
import { lookAtProcess } from './look-at-process.ts';
import { reachPort } from './reach.ts';
import { lookAtConsole } from './read-console-tail.ts';

/** How evidence is come by, where it isn't asked of somebody. */
export const looks = {
  process: lookAtProcess,
  console: lookAtConsole,
  reach: reachPort,
  display: lookAtDisplay,
  freeMiB,
};
export type Looks = typeof looks;
