import { useRef, type KeyboardEvent, type ReactElement, type RefObject } from 'react';
import { keys, type Key } from './keysyms.ts';
import { typedKeysyms } from './typed-text.ts';

/** Stands in the field so that there is something to delete: systems' keyboards tell no Backspace in an empty one. */
const PADDING = '.'.repeat(40);
const MAX_LENGTH = 400;

/** Keys that change no text. */
const special: Readonly<Record<string, Key>> = {
  Escape: keys.Escape,
  Tab: keys.Tab,
  ArrowLeft: keys.Left,
  ArrowRight: keys.Right,
  ArrowUp: keys.Up,
  ArrowDown: keys.Down,
  Home: keys.Home,
  End: keys.End,
  Delete: keys.Delete,
};

export interface OnScreenKeyboardProps {
  field: RefObject<HTMLTextAreaElement | null>;
  onText: (keysyms: readonly number[]) => void;
  onKey: (key: Key) => void;
}

/** A field that can't be seen; while it has the focus, the system shows its keyboard, and what it types goes to the desktop. */
export function OnScreenKeyboard({ field, onText, onKey }: OnScreenKeyboardProps): ReactElement {
  const before = useRef(PADDING);
  const restart = (element: HTMLTextAreaElement): void => {
    element.value = PADDING;
    element.setSelectionRange(PADDING.length, PADDING.length);
    before.current = PADDING;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const key = special[event.key];
    if (key === undefined) return;
    event.preventDefault();
    onKey(key);
  };
  return (
    <textarea
      ref={field}
      className="system-keyboard"
      aria-label="Types into the desktop"
      tabIndex={-1}
      defaultValue={PADDING}
      autoCapitalize="off"
      autoComplete="off"
      autoCorrect="off"
      spellCheck={false}
      onFocus={({ currentTarget }) => restart(currentTarget)}
      onKeyDown={onKeyDown}
      onInput={({ currentTarget, nativeEvent }) => {
        onText(typedKeysyms(before.current, currentTarget.value));
        before.current = currentTarget.value;
        // Not amid a composition: the system still works on the text.
        const composing = nativeEvent instanceof InputEvent && nativeEvent.isComposing;
        const { length } = currentTarget.value;
        if (!composing && (length === 0 || length > MAX_LENGTH)) restart(currentTarget);
      }}
    />
  );
}
