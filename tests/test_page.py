"""The page in a real browser: Debian's Chromium, driven by Playwright. Skipped where either is missing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from letterboxd_zip import letterboxd
from taste_runs import served, without_stars

from movie_autoencoder.bundle import Bundle
from movie_autoencoder.data.catalogue import Catalogue, label
from movie_autoencoder.recommend.recommender import Recommender

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("uvicorn")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (set CHROMIUM to its path)")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page in a fresh browser state; errors, warnings and requests to other servers fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
    page.on("console", lambda message: wrong.append(message.text) if _warning(message) else None)
    page.on("request", lambda asked: None if asked.url.startswith((address, "blob:")) else wrong.append(asked.url))
    page.goto(address)
    page.wait_for_selector("#picks > li h3")
    yield page
    context.close()
    assert not wrong


def _warning(message: Any) -> bool:
    """Whether the browser logs an error or a warning; the page handles refusals (422) itself."""
    return message.type in ("error", "warning") and "status of 422" not in message.text


def films(page: Any) -> list[str]:
    page.wait_for_selector("#answer[aria-busy=false]")
    return list(page.locator("#picks h3").all_inner_texts())


def give(page: Any, query: str, stars: float) -> str:
    """Searches, and clicks into the stars of the first film found; its title."""
    page.fill("#search", query)
    row = page.locator("#found li:first-child", has_text=re.compile(query, re.IGNORECASE))
    title = str(row.locator(".title").inner_text())
    box = row.locator(".stars").bounding_box()
    with page.expect_response(lambda answer: "/api/recommend" in answer.url):
        page.mouse.click(box["x"] + box["width"] * (stars - 0.25) / 5, box["y"] + box["height"] / 2)
    page.keyboard.press("Escape")
    return title


def rate_three(page: Any) -> list[str]:
    return [give(page, "cedar e", 4.5), give(page, "ash bi", 1), give(page, "oak ho", 5)]


def own(page: Any) -> dict[str, str]:
    """The stars under "Your stars", as a screen reader says them."""
    rows = page.locator("#rated li", has=page.locator("input"))
    return {
        str(row.locator(".title").inner_text()): str(row.locator("input").get_attribute("aria-valuetext"))
        for row in rows.all()
    }


def test_stars_given_by_mouse_change_the_list_and_survive_a_reload(page: Any) -> None:
    before = films(page)
    titles = rate_three(page)
    assert own(page) == dict(zip(reversed(titles), ["5 of 5 stars", "1 of 5 stars", "4.5 of 5 stars"], strict=True))
    after = films(page)
    assert after != before and not {title for title in titles if any(title in film for film in after)}
    page.reload()
    page.wait_for_selector("#picks > li h3")
    assert films(page) == after and len(own(page)) == 3


def test_every_change_of_stars_updates_the_list(page: Any) -> None:
    rate_three(page)
    row = page.locator("#rated li", has=page.locator("input")).first
    with page.expect_response(lambda answer: "/api/recommend" in answer.url) as asked:
        row.locator("input").press("ArrowLeft")
    assert len(asked.value.request.post_data_json["ratings"]) == 3
    assert "4.5 of 5 stars" in own(page).values()
    with page.expect_response(lambda answer: "/api/recommend" in answer.url):
        row.get_by_role("button").click()
    assert len(own(page)) == 2


def test_keyboard(page: Any) -> None:
    page.focus("#search")
    with page.expect_response(lambda answer: "/api/items" in answer.url):
        page.keyboard.type("cedar elm", delay=5)
    page.wait_for_selector("#found li input")
    assert "films found" in page.locator("#found-status").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    with page.expect_response(lambda answer: "/api/recommend" in answer.url):
        page.keyboard.press("4")
    assert list(own(page).values()) == ["4 of 5 stars"]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "search"
    page.focus("#tab-films")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#map svg .you")


def test_own_and_predicted_stars_look_different(page: Any) -> None:
    rate_three(page)
    mine, theirs = page.locator("#rated .stars").first, page.locator("#picks .prediction").first
    assert "predicted" in theirs.inner_text().lower() and "interval" in theirs.inner_text()
    assert "Your stars" in (mine.locator("input").get_attribute("aria-label") or "")
    assert page.locator("#picks .prediction .stars, #rated .prediction").count() == 0
    shapes = [one.evaluate("node => getComputedStyle(node, '::after').maskImage") for one in (mine, theirs)]
    assert "star.svg" in shapes[0] and shapes[1] == "none"
    assert "Nine times in ten" in page.locator("#legend").inner_text()


def test_reasons_show_share_and_without_it(page: Any) -> None:
    rate_three(page)
    with page.expect_response(lambda answer: "/api/explain" in answer.url) as asked:
        page.locator("#picks details summary").first.click()
    found = asked.value.json()
    table = page.locator("#picks table.reasons").first
    assert "Share" in table.inner_text() and "Without it" in table.inner_text()
    assert len(table.locator("tbody tr").all()) == len(found["shares"]) == 3
    assert f"{found['without'][0]['without']:.2f}" in table.inner_text()
    told = page.locator("#picks details").first.inner_text()
    assert "add up" in told and "left out" in told
    said = page.locator("#picks .sum").first.inner_text().replace("\N{MINUS SIGN}", "-")
    base, shown, others, raw = (float(one) for one in re.findall(r"[-+]?\d+\.\d\d", said)[:4])
    shares = table.locator("tbody tr td:nth-of-type(2)").evaluate_all("all => all.map(one => one.innerText)")
    each = [float(str(one).replace("\N{MINUS SIGN}", "-").split()[0]) for one in shares]
    assert base + shown + others == pytest.approx(raw, abs=0.02) and sum(each) == pytest.approx(shown, abs=0.02)


def test_sliders_and_genre(page: Any) -> None:
    rate_three(page)
    before = films(page)
    slider = page.locator("#popularity")
    for _ in range(10):
        slider.press("ArrowLeft")
    little = films(page)
    assert little != before
    page.select_option("#genre", "Horror")
    films(page)
    with page.expect_response(lambda answer: "/api/recommend" in answer.url) as asked:
        page.locator("#first").press("End")
    sent = asked.value.request.post_data_json
    assert sent["popularity"] == -1 and sent["genres"] == ["Horror"] and sent["years"][0] > 2000
    page.reload()
    page.wait_for_selector("#picks > li")
    assert page.input_value("#popularity") == "-1" and page.input_value("#genre") == "Horror"


def test_the_order_of_the_list(page: Any) -> None:
    rate_three(page)
    balanced = films(page)
    assert page.locator("#order").input_value() == "balanced"
    assert page.inner_text("#order-said") == "What you would choose and like."
    with page.expect_response(lambda answer: "/api/recommend" in answer.url) as asked:
        page.select_option("#order", "rating")
    assert asked.value.request.post_data_json["rank_by"] == "rating"
    by_rating = films(page)
    assert by_rating != balanced and page.inner_text("#order-said") == "Highest stars."
    with page.expect_response(lambda answer: "/api/recommend" in answer.url) as asked:
        page.locator("#diversity").press("Home")
    assert asked.value.request.post_data_json["diversity"] == 0
    page.locator("#popularity").press("ArrowLeft")
    assert "several people liked and few picked" in page.inner_text("#order-said")
    page.locator("#popularity").press("ArrowRight")  # back in the middle, where it changes nothing
    page.reload()
    page.wait_for_selector("#picks > li h3")
    assert page.locator("#order").input_value() == "rating" and page.input_value("#diversity") == "0"


def test_both_chances_and_the_support_of_each_film(page: Any) -> None:
    rate_three(page)
    with page.expect_response(lambda answer: "/api/recommend" in answer.url) as asked:
        page.select_option("#order", "choice")
    films(page)
    first = asked.value.json()["recommendations"][0]
    shown = page.locator("#picks .chances").first.inner_text()
    assert f"{first['p_choose']:.0%}".replace("%", " %") + " to pick it" in shown
    assert f"{first['p_like']:.0%}".replace("%", " %") + " to like it" in shown
    assert f"rated by {first['num_ratings']} people" in shown


def test_figures_that_the_model_lacks_are_left_out(page: Any) -> None:
    """Too few ratings, and no stars at all."""
    script = """async (film) => {
      const { chances, prediction } = await import("/js/elements.js");
      const text = (node) => (node === null ? null : node.innerText || node.textContent);
      return [text(prediction(film, false)), text(chances(film, false))];
    }"""
    film = {"stars": 4.6, "low": None, "high": None, "p_like": None, "p_choose": 0.004, "num_ratings": 1}
    told, chances = page.evaluate(script, film)
    assert told.startswith("?") and "too few people" in told
    assert chances == "under 1 % to pick itrated by 1 person, too few to tell"
    assert page.evaluate(script, film | {"stars": None})[0] is None


def test_a_model_that_does_not_know_choices_says_so(browser: Any, tastes: Bundle) -> None:
    with served(replace(tastes, choice=None)) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#picks > li h3")
        assert page.locator("#order").is_hidden() and page.locator("#popularity").is_visible()
        assert "does not know what people choose" in page.inner_text("#order-said")
        assert "to pick it" not in page.inner_text("#picks").lower()
        page.close()


def test_a_model_of_pairs_has_lists_and_no_stars(browser: Any, tastes: Bundle) -> None:
    with served(without_stars(tastes)) as address:
        page = browser.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#picks > li h3")
        before = films(page)
        page.fill("#search", "cedar e")
        page.wait_for_selector("#found li input")
        with page.expect_response(lambda answer: "/api/recommend" in answer.url) as asked:
            page.locator("#found input").first.press("End")
        assert [one["stars"] for one in asked.value.request.post_data_json["ratings"]] == [1]
        page.keyboard.press("Escape")
        assert films(page) != before and page.locator("#picks .prediction").count() == 0
        assert "to pick it" in page.locator("#picks .chances").first.inner_text()
        assert "without ratings" in page.inner_text("#order-said") and page.locator("#order").is_hidden()
        assert page.locator("#trouble").is_hidden() and not wrong
        page.close()


def test_import_and_the_watchlist(page: Any, tastes: Bundle, tmp_path: Path) -> None:
    items = Recommender(tastes).items
    names = [f"2024-01-01,{items.title(item)},{items.year(item)},https://boxd.it/x" for item in tastes.item_ids[:12]]
    head = "Date,Name,Year,Letterboxd URI"
    path = tmp_path / "letterboxd-me.zip"
    ratings = "".join(f"{name},{1 + number % 5}\n" for number, name in enumerate(names[:8]))
    odd = "2024-01-01,<img src=x onerror=alert`1`>,1999,https://boxd.it/y,3\n"
    path.write_bytes(
        letterboxd(ratings=f"{head},Rating\n{ratings}{odd}", watchlist=f"{head}\n" + "\n".join(names[8:]) + "\n")
    )
    with page.expect_response(lambda answer: "/api/import" in answer.url):
        page.set_input_files("#file", path)
    page.wait_for_selector("#imported .report")
    assert len(own(page)) == 8
    report = page.locator("#imported").inner_text()
    assert "12 of your 13 films" in report and "1 are not in this model" in report.replace("1 is", "1 are")
    page.locator("#imported summary").first.click()
    assert "<img src=x onerror=alert`1`>" in page.locator("#imported").inner_text()  # text, and nothing more
    assert page.locator("#imported img").count() == 0
    page.click("#tab-tonight")
    tonight = films(page)
    assert len(tonight) == 4
    page.click("#tab-films")
    assert len(films(page)) == 20
    page.check("#no-watchlist")
    assert not set(tonight) & {one for one in films(page)}


def test_a_wrong_file_is_named(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "nothing.csv"
    path.write_text("a,b\n1,2\n")
    page.set_input_files("#file", path)
    page.wait_for_selector("#imported .notice")
    assert "nothing.csv" in page.locator("#imported").inner_text()


def test_map_and_reconstruction(page: Any) -> None:
    rate_three(page)
    page.click("#tab-map")
    page.wait_for_selector("#map svg .you")
    assert page.locator("#map svg circle").count() > 50
    page.locator("#map summary").click()
    assert page.locator("#map details li").count() > 5
    page.click("#tab-beside")
    page.wait_for_selector("#beside table")
    assert page.locator("#beside tbody tr").count() == 3
    assert "without" in page.locator("#beside").inner_text()


def test_the_download_has_no_ratings(page: Any) -> None:
    rate_three(page)
    films(page)
    with page.expect_download() as waiting:
        page.click("#download")
    lines = Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()
    columns = lines[0].split(",")
    assert columns[:2] == ["Title", "Year"] and not {"Rating", "Rating10", "WatchedDate"} & set(columns)
    assert len(lines) > 10


def test_groups_for_a_person_without_ratings(page: Any) -> None:
    before = films(page)
    groups = page.locator(".groups button")
    groups.first.wait_for()
    with page.expect_response(lambda answer: "/api/recommend" in answer.url) as asked:
        groups.first.click()
    assert asked.value.request.post_data_json["liked"] and films(page) != before
    assert page.locator(".start .stars input").count() >= 5  # films whose rating would teach most


def test_labels_are_those_of_the_package(page: Any) -> None:
    """The page writes titles by rules of its own language, which must agree with `data.catalogue.label`."""
    titles = [
        ("Matrix, The", 1999),
        ("Avventura, L' (a.k.a. Adventure, The)", 1960),
        ("Hate (Haine, La)", 1995),
        ("Birdman: Or (The Unexpected Virtue of Ignorance)", 2014),
        ("Misérables, Les: Part Two", 1995),
        ("(500) Days of Summer", 2009),
        ("Fleabag (2016–2019)", 2016),
        ("Office, The (2005- )", 2005),
        ("1984", None),
        ("", None),
    ]
    films = [{"title": title, "year": year, "item_id": 7} for title, year in titles]
    script = "async (films) => { const { label } = await import('/js/elements.js'); return films.map(label); }"
    assert page.evaluate(script, films) == [label(title, year, 7) for title, year in titles]


def test_forget_everything(page: Any) -> None:
    rate_three(page)
    page.on("dialog", lambda dialog: dialog.accept())
    with page.expect_response(lambda answer: "/api/recommend" in answer.url):
        page.click("#forget")
    assert own(page) == {} and page.evaluate("JSON.parse(localStorage.getItem('films-for-you')).ratings.length") == 0


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_nothing_is_wider_than_the_window(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    rate_three(page)
    page.locator("#picks details summary").first.click()
    page.wait_for_selector("#picks table.reasons")
    for tab in ("films", "tonight", "map", "beside"):
        page.click(f"#tab-{tab}")
        page.wait_for_selector("#answer[aria-busy=false]")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab


def test_touch(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#picks > li h3")
    stars = page.locator("#picks .stars").first
    stars.scroll_into_view_if_needed()
    box = stars.bounding_box()
    with page.expect_response(lambda answer: "/api/recommend" in answer.url) as asked:
        page.touchscreen.tap(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    assert asked.value.request.post_data_json["ratings"][0]["stars"] == 4
    context.close()


def test_titles_are_shown_as_text(browser: Any, tastes: Bundle) -> None:
    """A catalogue is a file from anywhere: markup in its titles must not run."""
    rows = range(len(tastes.item_ids))
    catalogue = Catalogue.from_rows(
        [str(one) for one in tastes.item_ids.tolist()],
        [f"<img src=x onerror=alert`1`> {row} (1999)" for row in rows],
        genres=["<b>Drama</b>"] * len(rows),
    )
    with served(replace(tastes, catalogue=catalogue)) as address:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(f"a dialog says {dialog.message}"))
        page.goto(address)
        page.wait_for_selector("#picks > li h3")
        assert "<img src=x onerror=alert`1`>" in films(page)[0]
        page.fill("#search", "img")
        page.wait_for_selector("#found li input")
        page.locator("#found input").first.press("End")
        page.keyboard.press("Escape")
        for tab, shown in (("map", "#map .you"), ("beside", "#beside tbody tr"), ("films", "#picks details")):
            page.click(f"#tab-{tab}")
            page.wait_for_selector(shown)
        with page.expect_response(lambda answer: "/api/explain" in answer.url):
            page.locator("#picks details summary").first.click()
        page.wait_for_selector("table.reasons")
        assert page.locator("img, b").count() == 0 and "<b>Drama</b>" in page.locator("#genre").inner_text()
        assert not [one for one in asked if one.startswith("a dialog") or one.endswith("/x")]
        page.close()
