import type * as nodePty from '@lydell/node-pty';
import type { ITerminalAddon, Terminal } from '@xterm/headless';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** As much of @xterm/addon-serialize as is used; its own types would bring those of a browser into everything. */
type SerializeAddon = new () => ITerminalAddon & { serialize(options?: { scrollback?: number }): string };

export interface NativeModules {
  pty: typeof nodePty;
  Terminal: typeof Terminal;
  SerializeAddon: SerializeAddon;
}

const loaded = new Map<string, NativeModules>();

/**
 * What a PTY needs and the agent's bundle doesn't hold: a native module can't be in it, and an agent that starts no terminal is not to
 * read the others.
 * @param folder the `node_modules` that has them; absolute
 */
export function loadNativeModules(folder: string): NativeModules {
  const known = loaded.get(folder);
  if (known !== undefined) return known;
  // The file needn't exist: modules are searched from where it would be.
  const require = createRequire(join(folder, 'from-here.cjs'));
  const modules: NativeModules = {
    pty: require('@lydell/node-pty') as typeof nodePty,
    Terminal: (require('@xterm/headless') as { Terminal: typeof Terminal }).Terminal,
    SerializeAddon: (require('@xterm/addon-serialize') as { SerializeAddon: SerializeAddon }).SerializeAddon,
  };
  loaded.set(folder, modules);
  return modules;
}
