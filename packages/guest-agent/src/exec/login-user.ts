import type { ExecRequest } from '@hearth/contract';

/** Somebody that commands run as. */
export interface LoginUser {
  name: ExecRequest['user'];
  uid: number;
  gid: number;
  home: string;
  shell: string;
  path: string;
  /** Variables of this VM in every login; filled when the agent is configured (system/trust.ts). */
  variables?: Readonly<Record<string, string>>;
}
export type LoginUsers = Record<ExecRequest['user'], LoginUser>;

/** As the image makes them (image/). */
export const guestUsers: LoginUsers = {
  hearth: {
    name: 'hearth',
    uid: 1000,
    gid: 1000,
    home: '/home/hearth',
    shell: '/bin/bash',
    path: '/usr/local/bin:/usr/bin:/bin',
  },
  root: {
    name: 'root',
    uid: 0,
    gid: 0,
    home: '/root',
    shell: '/bin/bash',
    path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  },
};

/** What a login gives; a request's own variables are laid over it. */
export function loginEnvironment(user: LoginUser): Record<string, string> {
  return {
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: user.shell,
    PATH: user.path,
    LANG: 'C.UTF-8',
    ...user.variables,
  };
}
