// The reasons for a prediction: the share of each rating, and the prediction without it.

import { label, make, number, signed } from "./elements.js";

export function reasons(found) {
  const without = new Map(found.without.map((one) => [one.item_id, one]));
  const rows = found.shares ?? found.without;
  const most = Math.max(0.01, ...rows.map((one) => Math.abs(one.share ?? one.change)));
  const bar = (value) => {
    const fill = make("span", { class: value < 0 ? "less" : "more" });
    fill.style.width = `${(Math.abs(value) / most) * 50}%`;
    return make("span", { class: "bar", "aria-hidden": "true" }, fill);
  };
  const table = make("table", { class: "reasons" },
    make("thead", {}, make("tr", {}, ...["Your film", "Your stars", "Share", "Without it"].map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map((one) => {
      const left = without.get(one.item_id);
      return make("tr", {},
        make("th", { scope: "row" }, label(one)),
        make("td", {}, one.stars === null ? "chosen" : number(one.stars)),
        make("td", {}, one.share === undefined ? "" : bar(one.share), one.share === undefined ? "not known" : signed(one.share),
          ...(one.share === undefined ? [] : [
          make("small", {}, ` ${signed(one.your_stars)} stars, `), make("small", {}, `${signed(one.you_chose_it)} choice`)])),
        make("td", {}, left ? left.without.toFixed(2) : ""));
    })));
  const parts = [table];
  if (found.base !== null) {
    const shown = found.shares.reduce((sum, one) => sum + one.share, 0);
    parts.push(make("p", { class: "sum" }, `${found.base.toFixed(2)} for anyone with as many stars, ${signed(shown)} by these, ` +
      `${signed(found.other_shares)} by all others: ${found.raw.toFixed(2)}` +
      (Math.abs(found.clip) > 0.004 ? `, clipped to the scale: ${found.stars.toFixed(2)}` : "")));
  }
  parts.push(make("p", { class: "quiet" }, "Share: what a rating adds to this prediction, by its stars and because you chose the film; " +
    "base and shares add up to it. Without it: the prediction when that rating is left out. The two differ, because the " +
    "other ratings then count a little more."));
  return make("div", {}, ...parts);
}
