export * from './dialogue.ts';
export * from './encodings.ts';
export * from './framebuffer-capture.ts';
export * from './handshake.ts';
export * from './pixel-format.ts';
export * from './server-guard.ts';
export * from './viewer-filter.ts';
export * from './vnc-auth.ts';
