/** The page on which a person allows a tool: one button, `#authorize`, that posts the request back. */
export function authorizePage(
  title: string,
  scope: string,
  hidden: Readonly<Record<string, string>>,
  action: string,
): string {
  const fields = Object.entries(hidden)
    .map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`)
    .join('');
  return page(
    title,
    `<p>It asks for: ${escape(scope)}</p>
<form method="post" action="${escape(action)}">${fields}<button id="authorize" autofocus>Authorize</button></form>`,
  );
}

/** Shows a code for a person to copy, in `#code`. */
export function codePage(title: string, code: string): string {
  return page(title, `<p>Paste this into the tool:</p><pre id="code">${escape(code)}</pre>`);
}

export function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)}</title>
<style>body{font:18px sans-serif;max-width:40rem;margin:4rem auto}button{font:inherit;padding:1rem 3rem}</style>
<h1>${escape(title)}</h1>${body}</html>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
