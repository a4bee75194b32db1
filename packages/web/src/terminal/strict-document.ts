/**
 * A document for xterm.js under a policy that allows no inline styles: the text of its `<style>` elements becomes a
 * constructed style sheet, and a `style` attribute is set as properties. Both are the page's own script at work, which the
 * policy allows.
 */
export function strictDocument(real: Document): Document {
  const createElement = (name: string, options?: ElementCreationOptions): HTMLElement => {
    const element = real.createElement(name, options);
    if (element instanceof HTMLStyleElement) constructSheet(real, element);
    else if (element instanceof HTMLSpanElement) setStyleAsProperties(element);
    return element;
  };
  return new Proxy(real, {
    get: (target, key) => {
      if (key === 'createElement') return createElement;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}

function constructSheet(real: Document, element: HTMLStyleElement): void {
  const sheet = new CSSStyleSheet();
  real.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, 'textContent', {
    get: () => Array.from(sheet.cssRules, ({ cssText }) => cssText).join('\n'),
    set: (text: string) => sheet.replaceSync(text),
  });
  const remove = element.remove.bind(element);
  element.remove = () => {
    real.adoptedStyleSheets = real.adoptedStyleSheets.filter((each) => each !== sheet);
    remove();
  };
}

/** The renderer has a style attribute written for each cell of true colour. */
function setStyleAsProperties(element: HTMLElement): void {
  element.setAttribute = function (name: string, value: string) {
    if (name === 'style') element.style.cssText = value;
    else Element.prototype.setAttribute.call(element, name, value);
  };
}
