/** Where a fault lies; every error names one, so that a reader knows which part of the house to look at. */
export const layers = [
  'request',
  'controller',
  'database',
  'host',
  'image',
  'disk',
  'snapshot',
  'network',
  'vmm',
  'console',
  'control-channel',
  'guest',
  'agent',
  'desktop',
  'provider',
  'vault',
] as const;
export type Layer = (typeof layers)[number];
