// The controls above a list: its order, popularity and variety, and which films may come up.

import { make } from "./elements.js";
import { change, onChange, state } from "./state.js";

const $ = (id) => document.getElementById(id);
const ORDERS = {
  balanced: "What you would choose and like",
  choice: "What you would choose",
  rating: "Highest stars",
};
const ONE_ORDER = {
  rating: "This model was trained by an earlier version and does not know what people choose; train again to change that.",
  choice: "This model was trained on pairs without ratings: it knows what people choose, and there are no predicted stars.",
};

/** The order that is wanted, where the model can give it. */
const rankBy = (model) => (model.rank_by.includes(state.rankBy) ? state.rankBy : model.rank_by[0]);

/** Puts the controls into the state that is stored, and stores every change of them. */
export function prepareFilters(model) {
  const [oldest, newest] = model.years || [1900, 2100];
  for (const id of ["first", "last"]) Object.assign($(id), { min: oldest, max: newest, step: 1 });
  $("genre").append(...model.genres.map((genre) => new Option(genre, genre)));
  $("order").append(...model.rank_by.map((order) => new Option(ORDERS[order], order)));
  $("order").closest("label").hidden = model.rank_by.length < 2;
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  const show = () => {
    $("order").value = rankBy(model);
    $("popularity").value = state.popularity;
    $("diversity").value = state.diversity ?? model.diversity;
    $("first").value = state.first ?? oldest;
    $("last").value = state.last ?? newest;
    $("first-shown").textContent = state.first ?? oldest;
    $("last-shown").textContent = state.last ?? newest;
    $("genre").value = model.genres.includes(state.genre) ? state.genre : "";
    $("no-watchlist").checked = state.noWatchlist;
    $("no-watchlist").disabled = !state.watchlist.length;
    $("popularity").setAttribute("aria-valuetext",
      state.popularity === 0 ? "changes nothing" : state.popularity > 0 ? "well known films first" : "hidden gems first");
    $("diversity").setAttribute("aria-valuetext", Number($("diversity").value) === 0 ? "off" : $("diversity").value);
    $("order-said").replaceChildren(...said(model));
  };
  $("order").addEventListener("change", () => change({ rankBy: $("order").value }));
  $("popularity").addEventListener("input", () => change({ popularity: Number($("popularity").value) }));
  $("diversity").addEventListener("input", () => change({ diversity: Number($("diversity").value) }));
  $("first").addEventListener("input", () => {
    const year = Math.min(Number($("first").value), state.last ?? newest);
    change({ first: year <= oldest ? null : year });
  });
  $("last").addEventListener("input", () => {
    const year = Math.max(Number($("last").value), state.first ?? oldest);
    change({ last: year >= newest ? null : year });
  });
  $("genre").addEventListener("change", () => change({ genre: $("genre").value }));
  $("no-watchlist").addEventListener("change", () => change({ noWatchlist: $("no-watchlist").checked }));
  onChange(show);
  show();
}

/** How the list is ordered, in words, and why where the model can give one order alone. */
function said(model) {
  const first = { "-1": ", hidden gems first: films that several people liked and few picked", 1: ", well known films first", 0: "" };
  const order = make("strong", {}, `${ORDERS[rankBy(model)]}${first[Math.sign(state.popularity)]}.`);
  return model.rank_by.length < 2 ? [order, ` ${ONE_ORDER[model.rank_by[0]]}`] : [order];
}

/** The controls as a request for recommendations sends them. */
export const order = (model) => ({
  rank_by: rankBy(model), popularity: state.popularity, diversity: state.diversity ?? model.diversity,
  years: [state.first, state.last], genres: state.genre ? [state.genre] : [],
});
