export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Signals that a program gets for a fault of its own; SIGSYS: its seccomp filter refused a system call. */
const CRASHES: readonly NodeJS.Signals[] = [
  'SIGSEGV',
  'SIGABRT',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
  'SIGSYS',
];

export function describeExit({ code, signal }: Exit): string {
  if (signal === null) return `exit code ${code ?? '?'}`;
  if (CRASHES.includes(signal)) return `it crashed (${signal})`;
  return `ended by ${signal} (${signal === 'SIGKILL' ? "somebody's, or the kernel's for want of memory" : "somebody's"})`;
}
