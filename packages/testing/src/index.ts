export * from './fake-host/index.ts';
