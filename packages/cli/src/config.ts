import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { HearthError, parseConfig, Secret, type Config, type Provider } from '@hearth/contract';

/** Used where neither --config nor HEARTH_CONFIG names another and it exists. */
const DEFAULT_CONFIG_FILE = '/etc/hearth/hearth.json';

type Environment = Readonly<Record<string, string | undefined>>;

/** All that the command line takes from the environment; the one place that reads it. */
export interface CliEnvironment {
  configFile: string | undefined;
  url: string | undefined;
  token: Secret | undefined;
  /** https://no-color.org */
  noColor: boolean;
  /** The locale's character set, as programs of the C library read it; none set is ASCII. */
  utf8: boolean;
  /** In CI a tier that cannot run is a failure. */
  ci: boolean;
  home: string;
  /** HEARTH_… names that override keys of the configuration, and misspelt ones, which are refused (F5). */
  overrides: Environment;
  /** The vault's, for the controller alone: HEARTH_MASTER_KEY and HEARTH_MASTER_KEY_PREVIOUS where they are set. */
  masterKeys: Readonly<Record<string, string>>;
  apiKey(provider: Provider): Secret | undefined;
  baseUrl(provider: Provider): string | undefined;
}

export function readEnvironment(environment: Environment = process.env): CliEnvironment {
  const value = (name: string): string | undefined => {
    const text = environment[name]?.trim();
    return text === undefined || text === '' ? undefined : text;
  };
  const secret = (name: string): Secret | undefined => {
    const text = value(name);
    return text === undefined ? undefined : new Secret(text);
  };
  return {
    configFile: value('HEARTH_CONFIG'),
    url: value('HEARTH_URL'),
    token: secret('HEARTH_TOKEN'),
    noColor: value('NO_COLOR') !== undefined,
    utf8: /utf-?8/i.test(value('LC_ALL') ?? value('LC_CTYPE') ?? value('LANG') ?? ''),
    ci: value('CI') !== undefined && value('CI') !== 'false',
    home: homedir(),
    overrides: Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('HEARTH_'))),
    masterKeys: Object.fromEntries(
      ['HEARTH_MASTER_KEY', 'HEARTH_MASTER_KEY_PREVIOUS'].flatMap((name) => {
        const key = value(name);
        return key === undefined ? [] : [[name, key] as const];
      }),
    ),
    apiKey: (provider) => secret(provider.apiKeyVariable),
    baseUrl: (provider) => value(provider.baseUrlVariable),
  };
}

/** Reads and checks the configuration. `given` is a file that the user named: it must exist. */
export async function loadConfig(given: string | undefined, environment: CliEnvironment): Promise<Config> {
  const named = given ?? environment.configFile;
  const content = await readConfigFile(named ?? DEFAULT_CONFIG_FILE, named !== undefined);
  return parseConfig(content, environment.overrides);
}

async function readConfigFile(path: string, mustExist: boolean): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && !mustExist) return {};
    throw new HearthError('config_invalid', `the configuration file ${path} cannot be read`, {
      cause,
      hint: 'Give a JSON file with --config FILE or in HEARTH_CONFIG, or none for the defaults.',
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HearthError('config_invalid', `the configuration file ${path} is not JSON: ${reason}`, {
      cause,
      hint: `Correct ${path}.`,
    });
  }
}

/** Address of the controller for this machine's own calls. */
export function controllerUrl({ controller }: Config): string {
  const address = controller.address === '0.0.0.0' ? '127.0.0.1' : controller.address;
  return `http://${address}:${controller.port}`;
}
