// Elements that all views share. Your own stars are drawn as stars, a prediction as a dot on a line with its interval.

let scale = { minimum: 0.5, maximum: 5, step: 0.5 };
export const setScale = (given) => { scale = { ...given, step: given.step || (given.maximum - given.minimum) / 8 }; };

/** An element with attributes, text and children; text is never read as HTML. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SERIES = /\(\d{4}\s*[-–]\s*(?:\d{4})?\s*\)\s*$/; // the years of a series, which stay in its title
const ARTICLE = new RegExp("^(.+?),\\s+(the|an?|les?|la|l'|une?|des|el|l[oa]s|il|lo|gli|i|de[rtn]|die|das|eine?|de|het|een|en|ett|" +
  "os?|as|uma?|az|egy)(?=\\s*$|\\s*[:(]|\\s+-\\s)(.*)$", "i");

/** Title and year of a film, as `data.catalogue.label` writes them: "Matrix, The" of 1999 is The Matrix (1999). */
export const label = ({ title, year, item_id: id }) => {
  if (!title) return /^\d+$/.test(id) ? `movie ${id}` : String(id ?? "");
  const years = SERIES.exec(title)?.[0].trim() ?? (year ? `(${year})` : "");
  return years ? `${natural(title)} ${years}` : natural(title);
};

/** A title as people write it: the article in front, and no other names in brackets. */
export function natural(title) {
  const bare = title.includes("(") ? title.replace(SERIES, "").trimEnd() : title;
  const brackets = bare.slice(1).search(/\([^()]*\)/);
  const main = brackets < 0 ? bare : bare.slice(0, brackets + 1).trim();
  const name = /(?:\bor|:)\s*$/i.test(main) ? title : main; // the title itself continues in brackets
  const found = ARTICLE.exec(name);
  return found ? `${found[2]}${found[2].endsWith("'") ? "" : " "}${found[1]}${found[3]}` : name;
}

export const number = (stars) => String(Math.round(stars * 10) / 10);
export const signed = (value, digits = 2) => {
  const size = Math.abs(value).toFixed(digits);
  return Number(size) === 0 ? size : `${value < 0 ? "−" : "+"}${size}`;
};
const fraction = (stars) => (stars - scale.minimum) / (scale.maximum - scale.minimum);

/** Stars to give: a slider under star shapes, so that mouse, touch and keyboard all work. */
export function starInput(film, given, onGive) {
  const { minimum, maximum, step } = scale;
  const whole = Math.round(maximum) <= 10 ? Math.round(maximum) : 5;
  const input = make("input", {
    type: "range", min: minimum, max: maximum, step, value: given ?? (minimum + maximum) / 2,
    "aria-label": `Your stars for ${label(film)}`,
  });
  const box = make("span", { class: "stars", title: "Your stars" }, input);
  box.style.setProperty("--whole", whole);
  const show = (stars) => {
    box.classList.toggle("unset", stars === null);
    box.style.setProperty("--full", stars === null ? 0 : stars / maximum);
    input.setAttribute("aria-valuetext", stars === null ? "not rated" : `${number(stars)} of ${number(maximum)} stars`);
  };
  const at = (event) => { // stars under the pointer: a click anywhere in a half star gives that half
    const area = box.getBoundingClientRect();
    const raw = ((event.clientX - area.left) / area.width) * maximum;
    return Math.min(maximum, Math.max(minimum, Math.ceil((raw - 1e-9) / step) * step));
  };
  let pointed = null;
  input.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pointed = at(event);
    input.setPointerCapture(event.pointerId);
    show(pointed);
  });
  input.addEventListener("pointermove", (event) => { if (pointed !== null) { pointed = at(event); show(pointed); } });
  input.addEventListener("pointercancel", () => { pointed = null; show(given); });
  input.addEventListener("pointerup", () => { // not click: a touched slider has none
    if (pointed === null) return;
    const stars = pointed;
    pointed = null;
    given = stars;
    input.value = stars;
    show(stars);
    onGive(stars);
  });
  input.addEventListener("keydown", (event) => {
    const now = given ?? null;
    const keys = { ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step };
    let stars = null;
    if (event.key in keys) stars = now === null ? (minimum + maximum) / 2 : Math.min(maximum, Math.max(minimum, now + keys[event.key]));
    else if (/^[0-9]$/.test(event.key) && Number(event.key) >= minimum && Number(event.key) <= maximum) stars = Number(event.key);
    else if (event.key === "Home") stars = minimum;
    else if (event.key === "End") stars = maximum;
    else return;
    event.preventDefault();
    stars = Math.min(maximum, minimum + Math.round((stars - minimum) / step) * step);
    given = stars;
    input.value = stars;
    show(stars);
    onGive(stars);
  });
  input.addEventListener("input", () => { // screen readers set a slider's value without keys
    if (pointed !== null) return;
    given = Number(input.value);
    show(given);
    onGive(given);
  });
  show(given);
  return box;
}

/** A prediction: a dot on a line, the interval as a band, and the number; a hollow dot and no number where too few people rated the film. */
export function prediction({ stars, low = null, high = null }, sure = true) {
  if (stars === null || stars === undefined) return null; // a model of films without stars
  const interval = low === null ? "" : `, 90 % interval ${number(low)} to ${number(high)}`;
  const words = sure ? `predicted ${number(stars)}${interval}` : `about ${number(stars)}, rated by too few people to tell`;
  const line = make("span", { class: "line", "aria-hidden": "true" });
  if (low !== null) {
    const band = make("span", { class: "band" });
    band.style.left = `${fraction(low) * 100}%`;
    band.style.width = `${(fraction(high) - fraction(low)) * 100}%`;
    line.append(band);
  }
  const dot = make("span", { class: "dot" });
  dot.style.left = `${fraction(stars) * 100}%`;
  line.append(dot);
  return make("span", { class: sure ? "prediction" : "prediction unsure", title: words },
    make("span", { class: "number", "aria-hidden": "true" }, sure ? `≈ ${stars.toFixed(1)}` : "?"), line,
    make("span", { class: "visually-hidden" }, words),
    low === null && sure ? null : make("span", { class: "ends", "aria-hidden": "true" }, sure ? `${low.toFixed(1)} to ${high.toFixed(1)}` : ""));
}

const percent = (chance) => (chance < 0.01 ? "under 1 %" : chance > 0.99 ? "over 99 %" : `${Math.round(chance * 100)} %`);

/** How likely you are to pick a film and to like it, and how many people rated it; figures that the model lacks are left out. */
export function chances({ p_choose: picks, p_like: likes, num_ratings: count }, sure = true) {
  const figure = (chance, words) => (chance === null || chance === undefined ? null
    : make("li", {}, make("strong", {}, percent(chance)), ` ${words}`));
  return make("ul", { class: "chances" }, figure(picks, "to pick it"), figure(likes, "to like it"),
    make("li", {}, `rated by ${count.toLocaleString("en")} ${count === 1 ? "person" : "people"}${sure ? "" : ", too few to tell"}`));
}

/** Stars as a picture that cannot be changed. */
export function ownStars(stars) {
  const box = make("span", { class: "stars fixed", role: "img", "aria-label": `your stars: ${number(stars)}` });
  box.style.setProperty("--whole", Math.round(scale.maximum) <= 10 ? Math.round(scale.maximum) : 5);
  box.style.setProperty("--full", stars / scale.maximum);
  return box;
}
