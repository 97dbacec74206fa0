// The page: the person's films on the left, the answers on the right. Every change of the state redraws both.

import { ask } from "./api.js";
import { chances, label, make, number, ownStars, prediction, setScale, signed, starInput } from "./elements.js";
import { order, prepareFilters } from "./filters.js";
import { change, forget, hide, isEmpty, like, onChange, person, rate, starsOf, state, take } from "./state.js";
import { reasons } from "./reasons.js";
import { drawMap } from "./map.js";

const $ = (id) => document.getElementById(id);
const ENOUGH = 5; // ratings from which on recommendations are useful
let model = null;
let tab = "films";
let asking = null; // the request that runs; a newer one aborts it
let picks = [];

/** Whether the model predicts stars: one of pairs without ratings knows only what people choose. */
const rates = () => model.rank_by.includes("rating");

start();

async function start() {
  try {
    model = await ask("api/model");
  } catch (error) {
    return trouble(error);
  }
  setScale(model.scale);
  $("model").textContent = `A model of ${model.num_ratings.toLocaleString("en")} ratings of ${model.num_items.toLocaleString("en")} films` +
    (model.years ? ` up to ${model.years[1]}.` : ".");
  if (!rates()) $("search-label").textContent = "Find a film and mark it";
  prepareFilters(model);
  prepareSearch();
  prepareImport();
  prepareTabs();
  $("forget").addEventListener("click", () => {
    if (confirm("Forget all stars, hearts and the watchlist in this browser?")) forget();
  });
  $("download").addEventListener("click", download);
  onChange(draw);
  draw();
}

function trouble(error) {
  if (error?.name === "AbortError") return;
  $("trouble").textContent = error ? error.message : "";
  $("trouble").hidden = !error;
}

function draw() {
  drawRated();
  answer();
}

/** Replaces the children; the keyboard focus stays at the same film, or moves to the one at the same index. */
function redraw(place, ...children) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const all = () => [...place.querySelectorAll("input, button, summary")];
  const at = all().indexOf(focused), name = focused?.getAttribute("aria-label");
  place.replaceChildren(...children);
  if (!focused) return;
  const now = all();
  (now.find((one) => name && one.getAttribute("aria-label") === name) || now[Math.min(at, now.length - 1)])?.focus({ preventScroll: true });
}

// Your stars

function drawRated() {
  const rows = state.ratings.map((film) => make("li", {},
    make("span", { class: "title" }, label(film)),
    starInput(film, film.stars, (stars) => rate(film, stars)),
    make("button", { type: "button", class: "plain", "aria-label": `Take back the stars for ${label(film)}`, onclick: () => rate(film, null) }, "×")));
  redraw($("rated"), ...rows);
  const more = [[state.liked, "with a heart"], [state.seen, "seen without stars"], [state.watchlist, "on your watchlist"]]
    .filter(([list]) => list.length).map(([list, words]) => `${list.length} ${words}`);
  if (more.length) $("rated").append(make("li", { class: "quiet" }, `and ${more.join(", ")}`));
  $("forget").hidden = isEmpty() && !state.watchlist.length;
  const title = rates() ? "Your stars" : "Your films";
  $("yours-title").textContent = state.ratings.length ? `${title} (${state.ratings.length})` : title;
}

function prepareSearch() {
  const box = $("search"), list = $("found");
  let running = null;
  const close = () => { list.hidden = true; $("found-status").textContent = ""; };
  const show = (films) => {
    list.replaceChildren(...films.map((film) => make("li", {},
      make("span", { class: "title" }, label(film)), starInput(film, starsOf(film), (stars) => rate(film, stars)))));
    if (!films.length) list.append(make("li", { class: "quiet" }, "No film of this name here."));
    list.hidden = false;
    $("found-status").textContent = films.length ? `${films.length} films found; arrow down goes to their stars` : "No film found";
  };
  box.addEventListener("input", async () => {
    running?.abort();
    if (!box.value.trim()) return close();
    running = new AbortController();
    try {
      show((await ask(`api/items?limit=8&q=${encodeURIComponent(box.value)}`, undefined, { signal: running.signal })).items);
      trouble(null);
    } catch (error) {
      trouble(error);
    }
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return close();
    if (list.hidden || !["ArrowDown", "Enter"].includes(event.key)) return;
    event.preventDefault();
    list.querySelector("input")?.focus();
  });
  list.addEventListener("keydown", (event) => { // up and down change the film; left, right and digits change its stars
    if (event.key === "Escape") { close(); box.focus(); return; }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...list.querySelectorAll("input")];
    (all[all.indexOf(event.target) + step] || (step < 0 ? box : event.target)).focus();
  }, true);
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest(".search")) close(); });
}

function prepareImport() {
  $("file").addEventListener("change", () => { if ($("file").files[0]) read($("file").files[0]); $("file").value = ""; });
  for (const kind of ["dragover", "dragenter"]) document.addEventListener(kind, (event) => {
    if ([...event.dataTransfer.types].includes("Files")) { event.preventDefault(); $("drop").classList.add("over"); }
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    $("drop").classList.remove("over");
    const file = event.dataTransfer.files[0];
    if (file) { event.preventDefault(); read(file); }
  });
}

async function read(file) {
  const place = $("imported");
  place.replaceChildren(make("p", { class: "quiet" }, `Reading ${file.name} …`));
  try {
    const found = await ask(`api/import?name=${encodeURIComponent(file.name)}`, file, { raw: true });
    take(found);
    place.replaceChildren(importReport(file.name, found));
    trouble(null);
  } catch (error) {
    place.replaceChildren(make("p", { class: "notice" }, error.message));
  }
}

function importReport(name, found) {
  const known = found.matched.length, asked = known + found.ambiguous.length + found.unmatched.length;
  const parts = [make("p", {}, `${name}: we know ${known} of your ${asked} films` +
    (found.last_year ? `; the films here end in ${found.last_year}.` : "."))];
  if (found.ambiguous.length) {
    parts.push(make("details", {}, make("summary", {}, `${found.ambiguous.length} may be one of several`),
      make("ul", {}, ...found.ambiguous.map((film) => {
        const row = make("li", {}, `${label(film)}: `);
        for (const candidate of film.candidates) {
          row.append(make("button", { type: "button", class: "plain", onclick: () => {
            if (film.stars === null) like([candidate], false); else rate(candidate, film.stars);
            row.replaceChildren(`${label(film)}: ${label(candidate)}`);
          } }, label(candidate)), " ");
        }
        return row;
      }))));
  }
  if (found.unmatched.length) {
    parts.push(make("details", {}, make("summary", {}, `${found.unmatched.length} ${found.unmatched.length === 1 ? "is" : "are"} not in this model`),
      make("ul", {}, ...found.unmatched.map((film) => make("li", {}, label(film))))));
  }
  parts.push(...found.notes.map((note) => make("p", { class: "quiet" }, note)));
  return make("div", { class: "report" }, ...parts);
}

// Answers

function prepareTabs() {
  for (const id of ["tab-map", "tab-beside"]) $(id).hidden = !rates();
  const tabs = [...document.querySelectorAll("[role=tab]:not([hidden])")];
  const open = (one) => {
    tab = one.id.slice(4);
    for (const other of tabs) {
      other.setAttribute("aria-selected", String(other === one));
      other.tabIndex = other === one ? 0 : -1;
    }
    const shown = one.getAttribute("aria-controls");
    for (const id of ["films", "map", "beside"]) $(id).hidden = id !== shown;
    $("films").setAttribute("aria-labelledby", tab === "tonight" ? "tab-tonight" : "tab-films");
    answer();
  };
  tabs.forEach((one, index) => {
    one.addEventListener("click", () => open(one));
    one.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      next.focus();
      open(next);
    });
  });
}

async function answer() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  $("answer").setAttribute("aria-busy", "true");
  try {
    if (tab === "map") drawMap($("map"), await ask("api/map", { ...person(), n: 250 }, { signal }), state.ratings);
    else if (tab === "beside") drawBeside((await ask("api/reconstruction", { ratings: person().ratings }, { signal })).reconstruction);
    else await drawFilms(signal);
    trouble(null);
  } catch (error) {
    trouble(error);
  }
  if (!signal.aborted) $("answer").setAttribute("aria-busy", "false");
}

async function drawFilms(signal) {
  const tonight = tab === "tonight";
  drawStart(tonight, signal);
  $("filters").hidden = tonight && !state.watchlist.length;
  if (tonight && !state.watchlist.length) {
    $("legend").textContent = "";
    $("notes").replaceChildren();
    $("picks").replaceChildren(make("li", { class: "empty" },
      "There is no watchlist yet. Choose a Letterboxd zip, which contains yours, or the CSV file of an IMDb watchlist."));
    return;
  }
  const ids = (list) => list.map((film) => film.item_id);
  const body = {
    ...person(), k: 20, ...order(model),
    exclude: [...ids(state.hidden), ...(state.noWatchlist && !tonight ? ids(state.watchlist) : [])],
  };
  if (tonight) body.only = ids(state.watchlist);
  const found = await ask("api/recommend", body, { signal });
  picks = found.recommendations;
  const open = new Set([...$("picks").querySelectorAll("details[open]")].map((one) => one.dataset.film));
  redraw($("picks"), ...picks.map((film) => pick(film, open.has(String(film.item_id)))));
  if (!picks.length) $("picks").append(make("li", { class: "empty" }, "No film is left with these filters."));
  $("notes").replaceChildren(...found.notes.filter((note) => !/^(We know|This model was trained)/.test(note)).map((note) => make("li", {}, note)));
  $("legend").replaceChildren(
    make("span", { class: "key" }, make("span", { class: "stars one", "aria-hidden": "true" }), `${rates() ? "stars" : "marked films"} are yours`),
    rates() ? make("span", { class: "key" }, make("span", { class: "line sample", "aria-hidden": "true" }, make("span", { class: "dot" })), "dots are predicted") : "",
    [model.intervals && "Nine times in ten the stars that people then give lie within the band.",
      model.rank_by.includes("choice") && `To pick it: of a hundred people like you, so many ${rates() ? "rate" : "choose"} the film.`,
      model.intervals && `To like it: of a hundred who do, so many give ${number(model.like_threshold)} or more.`].filter(Boolean).join(" "));
  $("status").textContent = picks.length ? `${picks.length} films; first ${label(picks[0])}` : "No film is left.";
}

function pick(film, open) {
  const sure = film.num_ratings >= model.enough_ratings;
  const why = film.why ? film.why[0].toUpperCase() + film.why.slice(1) : "Why";
  const details = rates() ? make("details", { "data-film": film.item_id }, make("summary", {}, why)) : make("p", { class: "quiet" }, why);
  const fill = async () => {
    if (!details.open || details.dataset.filled) return;
    details.dataset.filled = "yes";
    try {
      details.append(reasons(await ask("api/explain", { ...person(), item_id: film.item_id, top: 8 })));
    } catch (error) {
      details.append(make("p", { class: "notice" }, error.message));
    }
  };
  details.addEventListener("toggle", fill);
  if (open) { details.open = true; fill(); }
  return make("li", {},
    make("div", { class: "head" }, make("h3", {}, label(film)), prediction(film, sure)),
    chances(film, sure),
    details,
    make("div", { class: "foot" },
      make("span", { class: "quiet" }, "Seen it? "), starInput(film, null, (stars) => rate(film, stars)),
      make("button", { type: "button", class: "plain", "aria-label": `Not for me: ${label(film)}`, onclick: () => hide(film) }, "Not for me")));
}

async function drawStart(tonight, signal) {
  const count = state.ratings.length;
  if (tonight || count >= ENOUGH || state.liked.length >= 2 * ENOUGH) return $("start").replaceChildren();
  const [{ groups }, { next_to_rate: films }] = await Promise.all([
    ask("api/groups?n=8&size=4", undefined, { signal }), rates() ? ask("api/next", { ...person(), k: 6 }, { signal }) : { next_to_rate: [] },
  ]).catch((error) => { trouble(error); return [{ groups: [] }, { next_to_rate: [] }]; });
  if (signal.aborted || !groups.length) return;
  const chosen = new Set(state.liked.map((film) => film.item_id));
  redraw($("start"), make("section", { class: "start", "aria-labelledby": "start-title" },
    make("h2", { id: "start-title" }, count ? `${ENOUGH - count} more ${rates() ? "star" : "film"}${ENOUGH - count === 1 ? "" : "s"}, and the films are chosen for you` : "Where to begin"),
    make("p", {}, "Pick the groups whose films you love …"),
    make("div", { class: "groups" }, ...groups.map((group) => {
      const on = group.items.some((film) => chosen.has(film.item_id));
      return make("button", { type: "button", "aria-pressed": String(on), onclick: () => like(group.items, !on) },
        make("strong", {}, group.label || `Group ${group.number + 1}`), ...group.items.map((film) => make("span", {}, label(film))));
    })),
    films.length ? make("p", {}, "… or give stars to the films that you know among these: their stars teach the model most.") : null,
    make("ul", { class: "rated" }, ...films.map((film) => make("li", {}, make("span", { class: "title" }, label(film)),
      starInput(film, null, (stars) => rate(film, stars)))))));
}

function drawBeside(rows) {
  const place = $("beside");
  if (!rows.length) return place.replaceChildren(make("p", { class: "empty" }, "Give a few stars first."));
  const far = [...rows].sort((one, other) => Math.abs(other.stars - other.predicted) - Math.abs(one.stars - one.predicted));
  const error = Math.sqrt(rows.reduce((sum, row) => sum + (row.stars - row.predicted) ** 2, 0) / rows.length);
  place.replaceChildren(
    make("p", {}, `${rows.length < state.ratings.length ? `Your latest ${rows.length} films, each` : "Each film"} predicted from your other ` +
      `${state.ratings.length - 1} stars, without its own: ${error.toFixed(2)} stars off on ` +
      "average (root mean square). The films with the largest difference come first."),
    make("table", { class: "beside" }, make("thead", {}, make("tr", {},
      ...["Film", "Your stars", "Predicted without them", "Difference"].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...far.map((row) => make("tr", {}, make("th", { scope: "row" }, label(row)),
        make("td", {}, ownStars(row.stars)), make("td", {}, prediction({ stars: row.predicted, low: null, high: null })),
        make("td", {}, signed(row.stars - row.predicted, 1)))))));
}

function download() {
  const quoted = (text) => `"${String(text ?? "").replaceAll('"', '""').replace(/^([=+@-])/, "'$1")}"`;
  const lines = ["Title,Year,Rank,Predicted,Low,High,PLike,PChoose,NumRatings,Why"]; // no column Rating: an import would read it as your own stars
  for (const film of picks) {
    const title = label({ ...film, year: null }), figure = (value, digits) => value?.toFixed(digits) ?? "";
    lines.push([quoted(title), film.year ?? "", film.rank, figure(film.stars, 2), figure(film.low, 2), figure(film.high, 2),
      figure(film.p_like, 3), figure(film.p_choose, 4), film.num_ratings, quoted(film.why)].join(","));
  }
  const url = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  const link = make("a", { href: url, download: "films-for-you.csv" });
  document.body.append(link);
  link.click();
  link.remove();
  URL.revokeObjectURL(url);
}
