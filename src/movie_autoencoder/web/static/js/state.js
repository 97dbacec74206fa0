// What this browser stores: stars, hearts, seen films, the watchlist and the filters.

const KEY = "films-for-you";
const EMPTY = {
  ratings: [], liked: [], seen: [], watchlist: [], hidden: [],
  rankBy: "balanced", popularity: 0, diversity: null, first: null, last: null, genre: "", noWatchlist: false,
};
const listeners = new Set();

export const state = load();

function load() {
  try {
    const saved = JSON.parse(localStorage.getItem(KEY)) || {};
    const lists = ["ratings", "liked", "seen", "watchlist", "hidden"];
    return { ...EMPTY, ...saved, ...Object.fromEntries(lists.map((name) => [name, [...(saved[name] || [])]])) };
  } catch {
    return structuredClone(EMPTY); // storage that is switched off or damaged: start empty
  }
}

/** Changes values, stores them and calls the listeners. */
export function change(values) {
  Object.assign(state, values);
  try {
    localStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    // without storage, a reload forgets the values
  }
  for (const listener of listeners) listener(state);
}

export function onChange(listener) {
  listeners.add(listener);
}

const others = (list, film) => list.filter((one) => one.item_id !== film.item_id);
const bare = ({ item_id, title, year }) => ({ item_id, title, year });

/** Gives a film stars; null removes them. */
export function rate(film, stars) {
  const ratings = others(state.ratings, film);
  if (stars !== null) ratings.unshift({ ...bare(film), stars });
  change({ ratings, liked: others(state.liked, film), seen: others(state.seen, film), watchlist: others(state.watchlist, film) });
}

/** Gives films hearts, or removes them. */
export function like(films, liked) {
  let list = state.liked;
  for (const film of films) {
    list = others(list, film);
    if (liked && !state.ratings.some((one) => one.item_id === film.item_id)) list = [...list, bare(film)];
  }
  change({ liked: list });
}

export function hide(film) {
  change({ hidden: [...others(state.hidden, film), bare(film)] });
}

/** Adds the films of a file, whose stars replace older ones. */
export function take(imported) {
  const names = new Map(imported.matched.map((film) => [film.item_id, film]));
  const known = (id) => bare(names.get(id) || { item_id: id, title: "", year: null });
  const given = imported.ratings.map(({ item_id, stars }) => ({ ...known(item_id), stars }));
  const merge = (list, more) => {
    const ids = new Set(more.map((one) => one.item_id));
    return [...more, ...list.filter((one) => !ids.has(one.item_id))];
  };
  const ratings = merge(state.ratings, given);
  const rated = new Set(ratings.map((one) => one.item_id));
  const left = (list) => list.filter((one) => !rated.has(one.item_id));
  change({
    ratings,
    liked: left(merge(state.liked, imported.liked.map(known))),
    seen: left(merge(state.seen, imported.seen.map(known))),
    watchlist: left(merge(state.watchlist, imported.watchlist.map(bare))),
  });
}

export function forget() {
  change(structuredClone(EMPTY));
}

/** The person as requests send it. */
export function person() {
  const ids = (list) => list.map((one) => one.item_id);
  return {
    ratings: state.ratings.map(({ item_id, stars }) => ({ item_id, stars })),
    liked: ids(state.liked),
    seen: ids(state.seen),
  };
}

export const starsOf = (film) => state.ratings.find((one) => one.item_id === film.item_id)?.stars ?? null;
export const isEmpty = () => !state.ratings.length && !state.liked.length && !state.seen.length;
