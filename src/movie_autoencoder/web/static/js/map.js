// Well known films in the two directions in which tastes differ most, and you among them. A list says the same in words.

import { label, make } from "./marks.js";

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 600, EDGE = 24;

function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const at = (value) => EDGE + ((value + 1) / 2) * (SIZE - 2 * EDGE);

export function drawMap(place, { items, you }, empty) {
  const picture = shape("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": "Map of taste: near films are liked by the same people" });
  const taken = []; // boxes of names, so that they do not cover each other
  if (you) taken.push([at(you.x) - 34, at(-you.y) - 26, at(you.x) + 34, at(-you.y) + 14]);
  for (const film of items) {
    const x = at(film.x), y = at(-film.y);
    const dot = shape("circle", { cx: x, cy: y, r: 4 });
    dot.append(shape("title", {}, label(film)));
    picture.append(dot);
    const name = film.title.length > 24 ? `${label({ ...film, year: null }).slice(0, 22)}…` : label({ ...film, year: null });
    const width = name.length * 5.6, left = x + 8 + width > SIZE ? x - 8 - width : x + 8;
    const box = [left, y - 8, left + width, y + 6];
    if (taken.every((one) => box[0] > one[2] || box[2] < one[0] || box[1] > one[3] || box[3] < one[1])) {
      taken.push(box);
      picture.append(shape("text", { x: left, y: y + 4 }, name));
    }
  }
  if (you) {
    const x = at(you.x), y = at(-you.y);
    const mark = shape("g", { class: "you", transform: `translate(${x} ${y})` });
    mark.append(shape("path", { d: "M0-13l3.6 7.6 8.4 1.1-6.1 5.7 1.6 8.2L0 5.6l-7.5 4 1.6-8.2-6.1-5.7 8.4-1.1z" }), shape("text", { y: -17, "text-anchor": "middle" }, "you"));
    picture.append(mark);
  }
  const near = you && [...items].sort((one, other) => Math.hypot(one.x - you.x, one.y - you.y) - Math.hypot(other.x - you.x, other.y - you.y)).slice(0, 12);
  place.replaceChildren(
    make("p", {}, empty ? "Films that the same people like lie near each other. Give a few stars, and you stand among them."
      : "Films that the same people like lie near each other; you stand where the films are that you are expected to like more than others do."),
    picture,
    make("details", {}, make("summary", {}, near ? "The films nearest to you, as a list" : "All films on the map, as a list"),
      make("ul", {}, ...(near || items).map((film) => make("li", {}, label(film))))));
}
