const HOME = '/';

/** Where to go after signing in: a path of our own, else home. Another site's address never. */
export function safeNextPath(next: string | null, origin: string): string {
  if (next === null || !next.startsWith('/')) return HOME;
  let url: URL;
  try {
    url = new URL(next, origin);
  } catch (error) {
    if (error instanceof TypeError) return HOME;
    throw error;
  }
  // `//host`, `/\host` and the like resolve to another origin.
  if (url.origin !== origin || url.pathname.startsWith('//') || url.pathname === '/signin') return HOME;
  return `${url.pathname}${url.search}${url.hash}`;
}

/** The sign-in page that comes back here. */
export const signinPath = (here: string): string =>
  here === HOME || here.startsWith('/signin') ? '/signin' : `/signin?next=${encodeURIComponent(here)}`;
