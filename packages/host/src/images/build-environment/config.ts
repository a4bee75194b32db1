/** Variables by which people tell package managers how to reach their archives; nothing else gets into a build. */
const LET_THROUGH =
  /^(https?_proxy|no_proxy|all_proxy|npm_config_(registry|cafile|https?_proxy|proxy|noproxy)|node_extra_ca_certs|ssl_cert_file)$/i;

/** What an image build inherits of this process's environment. */
export function buildEnvironment(): Record<string, string> {
  const home = process.env['HOME'];
  const kept = Object.entries(process.env).filter(([name]) => LET_THROUGH.test(name));
  return {
    ...Object.fromEntries(kept.map(([name, value]) => [name, value ?? ''])),
    // npm reads its registry and certificates from the user's .npmrc.
    ...(home === undefined ? {} : { HOME: home }),
  };
}

/** The folders of PATH, to find npm in. */
export function searchPath(): string[] {
  return (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
}
