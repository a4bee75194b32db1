export * from './disk-file.ts';
export * from './goldens.ts';
export * from './hearth-lab.ts';
export * from './leftovers.ts';
export * from './machine-traces.ts';
export * from './room.ts';
