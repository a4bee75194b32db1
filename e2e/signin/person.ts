import type { StandInWorld, Visit } from './stand-in-world.ts';

/** What a person does on the pages of a provider, in their own browser. */
export interface Person {
  /** Opens the link, presses Authorize; where the page sends the browser to. */
  authorize(link: string): Promise<string>;
  /** The same with the redirect to a page that shows a code. */
  authorizeForCode(link: string): Promise<string>;
  /** Types a device code at its link. */
  enterDeviceCode(link: string, code: string): Promise<void>;
}

export function personAt(world: Pick<StandInWorld, 'visit'>): Person {
  const authorize = async (link: string): Promise<string> => {
    const page = await world.visit(link);
    expectStatus(page, 200, link);
    const fields = [...page.text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(
      ([, name = '', value = '']) => [unescape(name), unescape(value)] as const,
    );
    const action = /<form method="post" action="([^"]*)">/.exec(page.text)?.[1] ?? '';
    const target = new URL(unescape(action), link).href;
    const allowed = await world.visit(target, Object.fromEntries(fields));
    if (allowed.location === null) throw new Error(`${target} redirects nowhere: ${allowed.text}`);
    return new URL(allowed.location, target).href;
  };
  return {
    authorize,
    authorizeForCode: async (link) => {
      const page = await world.visit(await authorize(link));
      const code = /<pre id="code">([^<]+)<\/pre>/.exec(page.text)?.[1];
      if (code === undefined) throw new Error(`no code on the page: ${page.text}`);
      return unescape(code);
    },
    enterDeviceCode: async (link, code) => {
      expectStatus(await world.visit(link), 200, link);
      expectStatus(await world.visit(link, { user_code: code }), 200, `${link} with the code`);
    },
  };
}

function expectStatus(visit: Visit, status: number, what: string): void {
  if (visit.status !== status) throw new Error(`${what} answered ${visit.status}: ${visit.text}`);
}

const unescape = (text: string): string =>
  text.replace(/&#(\d+);/g, (_all, code: string) => String.fromCharCode(Number(code)));
