const MAX_LINES = 20;
const MAX_CHARACTERS = 4000;
const MIN_PART_LENGTH = 6;
const REDACTED = '[redacted]';
/** Keys of the vendors, and what is long and looks like base64 or hex; shorter codes are the device codes that a person must see. */
const LOOKS_SECRET = /\b(?:sk|rk|pk|gh[pousr]|AIza|ya29|eyJ)[\w.-]{12,}|[\w+/=-]{40,}/g;

/** The last lines of a screen, without anything that is or looks like a secret. @param secrets known ones: codes, tokens */
export function wordsOf(text: string, secrets: Iterable<string>): string {
  // Empty ones among them; what is far above is not worth the work.
  let clean = text
    .split('\n')
    .slice(-MAX_LINES * 3)
    .join('\n');
  for (const secret of secrets) clean = hide(clean, secret);
  // Of a link only where it leads: its state and codes are the sign-in's own.
  clean = clean.replace(/(https?:\/\/[^\s?#]+)[?#]\S*/g, '$1?…').replace(LOOKS_SECRET, REDACTED);
  const lines = clean.split('\n').map((line) => line.trimEnd());
  return lines
    .filter((line) => line !== '')
    .slice(-MAX_LINES)
    .join('\n')
    .slice(-MAX_CHARACTERS);
}

/** A code may be shown in its parts (`code#state`); a part that is short may be an ordinary word. */
function hide(text: string, secret: string): string {
  const parts = secret.split(/[#&=]/).filter((part) => part.length >= MIN_PART_LENGTH);
  return [secret, ...parts].reduce((clean, part) => clean.replaceAll(part, REDACTED), text);
}
