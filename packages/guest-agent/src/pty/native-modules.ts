import type * as nodePty from '@lydell/node-pty';
import type { SerializeAddon } from '@xterm/addon-serialize';
import type { Terminal } from '@xterm/headless';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface NativeModules {
  pty: typeof nodePty;
  Terminal: typeof Terminal;
  SerializeAddon: typeof SerializeAddon;
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
    SerializeAddon: (require('@xterm/addon-serialize') as { SerializeAddon: typeof SerializeAddon })
      .SerializeAddon,
  };
  loaded.set(folder, modules);
  return modules;
}
