import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/**
 * `node --import .../crash-point.mjs?folder=FOLDER PROGRAM`: counts the durable writes of this process to SQLite, and ends it
 * by SIGKILL just before or just after one of them. Production code knows nothing of it.
 *
 * FOLDER/plan.json `{ "at": 3, "side": "before" | "after" }` is read at SIGUSR2; `at: 0` only counts. FOLDER/armed then exists, and
 * FOLDER/steps gets a line for each write from there on: what it was. A transaction is one write: its COMMIT.
 */
const folder = new URL(import.meta.url).searchParams.get('folder') ?? '';
const requireOfHost = createRequire(new URL('../packages/host/src/main.ts', import.meta.url));
const Sqlite = requireOfHost('better-sqlite3');
const prototype = Object.getPrototypeOf(new Sqlite(':memory:').prepare('SELECT 1'));

let plan = null;
let count = 0;

const die = () => process.kill(process.pid, 'SIGKILL');

const isDurable = (statement) =>
  /^\s*commit/i.test(statement.source) || (!statement.readonly && !statement.database.inTransaction);

for (const verb of ['run', 'get', 'all']) {
  const original = prototype[verb];
  prototype[verb] = function counted(...args) {
    if (plan === null || !isDurable(this)) return original.apply(this, args);
    count += 1;
    const now = count === plan.at;
    appendFileSync(join(folder, 'steps'), `${this.source.replace(/\s+/g, ' ').slice(0, 60)}\n`);
    if (now && plan.side === 'before') die();
    const result = original.apply(this, args);
    if (now && plan.side === 'after') die();
    return result;
  };
}

process.on('SIGUSR2', () => {
  if (!existsSync(join(folder, 'plan.json'))) return;
  plan = JSON.parse(readFileSync(join(folder, 'plan.json'), 'utf8'));
  count = 0;
  writeFileSync(join(folder, 'steps'), '');
  writeFileSync(join(folder, 'armed'), '');
});
