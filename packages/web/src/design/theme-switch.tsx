import { useState, type ReactElement } from 'react';
import { Icon } from './icon.tsx';
import { chooseTheme, rememberedTheme, themes, type Theme } from './theme.ts';

const words: Readonly<Record<Theme, string>> = { system: 'as the system', light: 'light', dark: 'dark' };

/** Goes through the themes, one a press. */
export function ThemeSwitch(): ReactElement {
  const [theme, setTheme] = useState(rememberedTheme);
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'system';
  return (
    <button
      type="button"
      className="button quiet slim"
      title={`Colours: ${words[theme]}`}
      aria-label={`Colours: ${words[theme]}. Change to ${words[next]}`}
      onClick={() => {
        chooseTheme(next);
        setTheme(next);
      }}
    >
      <Icon name={theme === 'system' ? 'half' : theme === 'light' ? 'sun' : 'moon'} />
    </button>
  );
}
