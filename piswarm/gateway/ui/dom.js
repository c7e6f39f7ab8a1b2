// Small steps in the document. None of them writes what is there already, so that focus and selection stay.

export const element = (id) => document.getElementById(id);

export function setText(place, text) {
  if (place.textContent !== String(text)) place.textContent = text;
}

// Makes `children` the children of `parent`; those in place are not moved.
export function place(parent, children) {
  const same = children.length === parent.children.length && children.every((c, i) => c === parent.children[i]);
  if (!same) parent.replaceChildren(...children);
}

// Fills a description list with pairs of term and text.
export function describe(list, pairs) {
  const texts = pairs.flat().map(String);
  const shown = [...list.children].map((child) => child.textContent);
  if (texts.length === shown.length && texts.every((text, i) => text === shown[i])) return;
  list.replaceChildren(
    ...texts.map((text, i) => Object.assign(document.createElement(i % 2 ? "dd" : "dt"), { textContent: text })),
  );
}

// Returns the card for `name` in `list`, made from a template the first time.
export function card(list, template, name) {
  const known = [...list.children].find((child) => child.dataset.name === name);
  if (known) return known;
  const fresh = element(template).content.firstElementChild.cloneNode(true);
  fresh.dataset.name = name;
  setText(fresh.querySelector(".name"), name);
  return fresh;
}
