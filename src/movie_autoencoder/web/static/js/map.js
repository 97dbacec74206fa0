// Well known films in the two directions in which tastes differ most, with your films and you. A list repeats it as text.

import { label, make, natural } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 640, EDGE = 26;
const STAR = "M0-9l2.6 5.3 5.8.8-4.2 4 1 5.8L0 3.2l-5.2 2.7 1-5.8-4.2-4 5.8-.8z";

function shape(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const at = (value) => EDGE + ((value + 1) / 2) * (SIZE - 2 * EDGE);
const shortened = (title) => {
  const name = natural(title).replace(/ \(.*$/, "");
  return name.length > 24 ? `${name.slice(0, 22).trimEnd()}…` : name;
};

/** Draws the map: films, those that you rated as stars, and you. */
export function drawMap(place, { items, you }, ratings) {
  const unit = Math.min(2, Math.max(1, SIZE / (place.clientWidth || SIZE))); // larger letters and fewer names in a small window
  const rated = new Set(ratings.map((one) => one.item_id));
  const picture = shape("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": "Map of taste: near films are liked by the same people" });
  const dots = shape("g", {}), names = shape("g", {});
  const taken = []; // boxes of names, so that they do not cover each other
  if (you) taken.push([at(you.x) - 28 * unit, at(-you.y) - 32 * unit, at(you.x) + 28 * unit, at(-you.y) + 14 * unit]);
  const ordered = [...items].sort((one, other) => rated.has(other.item_id) - rated.has(one.item_id)); // yours get their names first
  for (const film of ordered) {
    const x = at(film.x), y = at(-film.y), mine = rated.has(film.item_id);
    const spot = shape("g", { class: mine ? "mine" : "film" }, shape("title", {}, label(film)),
      mine ? shape("path", { d: STAR, transform: `translate(${x} ${y}) scale(${0.8 * unit})` }) : shape("circle", { cx: x, cy: y, r: 3.5 }));
    dots.append(spot);
    const name = shortened(film.title), width = name.length * 5.9 * unit, right = x + 8 * unit + width <= SIZE;
    const left = right ? x + 7 * unit : x - 7 * unit - width;
    const box = [left - 2, y - 8 * unit, left + width + 2, y + 6 * unit];
    if (film.title && left > 0 && taken.every((one) => box[0] > one[2] || box[2] < one[0] || box[1] > one[3] || box[3] < one[1])) {
      taken.push(box);
      spot.classList.add("named");
      names.append(shape("text", { x: right ? left : x - 7 * unit, y: y + 3.6 * unit, "font-size": 10.5 * unit, "text-anchor": right ? "start" : "end" }, name));
    }
  }
  picture.append(dots, names);
  if (you) {
    picture.append(shape("g", { class: "you", transform: `translate(${at(you.x)} ${at(-you.y)}) scale(${unit})` },
      shape("circle", { r: 13 }), shape("path", { d: STAR }), shape("text", { y: -18, "text-anchor": "middle", "font-size": 13 }, "you")));
  }
  const distance = (film) => Math.hypot(film.x - you.x, film.y - you.y);
  const near = you && items.filter((film) => !rated.has(film.item_id)).sort((one, other) => distance(one) - distance(other)).slice(0, 12);
  place.replaceChildren(
    make("p", {}, you ? "Films that the same people like are near each other. Stars are the films that you gave stars. You are near the films " +
      "that you are predicted to like more than others do." : "Films that the same people like are near each other. Give a few stars to see yourself among them."),
    picture,
    make("details", {}, make("summary", {}, near ? "The films nearest to you, as a list" : "All films on the map, as a list"),
      make("ul", {}, ...(near || items).map((film) => make("li", {}, label(film))))));
}
