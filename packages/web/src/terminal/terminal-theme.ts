import type { ITheme } from '@xterm/xterm';

const light: ITheme = {
  background: '#fffdfa',
  foreground: '#2a2420',
  cursor: '#b4501e',
  cursorAccent: '#fffdfa',
  selectionBackground: '#f0cdb6',
  black: '#2a2420',
  red: '#a8271b',
  green: '#23703f',
  yellow: '#805300',
  blue: '#1f5fa8',
  magenta: '#8b3a8f',
  cyan: '#11696f',
  white: '#675c53',
  brightBlack: '#7d7166',
  brightRed: '#c4382b',
  brightGreen: '#2c8a4e',
  brightYellow: '#996600',
  brightBlue: '#2b74c8',
  brightMagenta: '#a64aab',
  brightCyan: '#188088',
  brightWhite: '#2a2420',
};

const dark: ITheme = {
  background: '#171412',
  foreground: '#f3ece4',
  cursor: '#ff9b54',
  cursorAccent: '#171412',
  selectionBackground: '#5a3a22',
  black: '#3a332d',
  red: '#ff9488',
  green: '#86d2a1',
  yellow: '#f0c26a',
  blue: '#8cbcf5',
  magenta: '#dba2e0',
  cyan: '#7fd0d4',
  white: '#d8cec3',
  brightBlack: '#9a8d81',
  brightRed: '#ffb3aa',
  brightGreen: '#a8e3bd',
  brightYellow: '#f7d595',
  brightBlue: '#b0d2fa',
  brightMagenta: '#e8c0eb',
  brightCyan: '#a5e2e5',
  brightWhite: '#fffdfa',
};

/** The terminal's colours in the page's present theme. */
export function terminalTheme(): ITheme {
  const chosen = document.documentElement.dataset['theme'];
  const isDark =
    chosen === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
  return isDark ? dark : light;
}

/** @returns ends the watching */
export function onThemeChange(listener: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const observer = new MutationObserver(listener);
  system.addEventListener('change', listener);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => {
    system.removeEventListener('change', listener);
    observer.disconnect();
  };
}
