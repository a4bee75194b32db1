export * from './hearth-lab.ts';
export * from './leftovers.ts';
