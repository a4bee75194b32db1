import type { Provider } from './provider.ts';

/** May this link be opened on a sign-in's desktop? Only https, only where the descriptor says, no credentials or port in it. */
export function isAllowedUrl({ allowedUrls }: Pick<Provider, 'allowedUrls'>, link: string): boolean {
  if (!URL.canParse(link)) return false;
  const { protocol, hostname, port, pathname, username, password } = new URL(link);
  return (
    protocol === 'https:' &&
    port === '' &&
    username === '' &&
    password === '' &&
    allowedUrls.some(({ host, pathPrefix }) => hostname === host && pathname.startsWith(pathPrefix))
  );
}
