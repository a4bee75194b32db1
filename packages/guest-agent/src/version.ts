declare const HEARTH_AGENT_VERSION: string | undefined;

/** Baked in by build.mjs: package version + hash of the bundle; `dev` where the sources are run as they are. */
export const agentVersion: string =
  typeof HEARTH_AGENT_VERSION === 'string' ? HEARTH_AGENT_VERSION : '0.0.0+dev';
