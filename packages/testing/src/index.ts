export * from './fake-host/index.ts';
export * from './stand-in/index.ts';
export * from './lab/index.ts';
