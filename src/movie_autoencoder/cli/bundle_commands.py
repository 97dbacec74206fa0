"""The commands that use or extend a trained model with whole files: `predict`, `encode`, `add-items` and `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .formatting import print_lines, write_table
from .inputs import load_recommender, ratings_of_people
from .options import Debug, Run, at_least_one, check_suffix

app = typer.Typer()

_MEANING = {
    "chosen": "of people who choose the film, as those in the training data did",
    "random": "of people whom the film is put before, whether they would choose it or not",
}


def _port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise typer.BadParameter(f"a whole number from 1 to 65535. Received: {value}.")
    return value


@app.command()
def predict(
    run: Run,
    pairs: Annotated[Path, typer.Argument(help="A CSV, TSV or Parquet file with a user and an item column.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File for the predictions: .csv or .parquet.")],
    selection: Annotated[
        Literal["chosen", "random"],
        typer.Option(
            "--as",
            help="chosen: stars of people who choose the film, as in the training data. random: stars of people whom "
            "the film is put before, whether they would choose it or not.",
        ),
    ] = "chosen",
    debug: Debug = False,
) -> None:
    """Predict stars and their 90 % intervals for pairs of users and items."""
    from ..data.sources.pairs import read_pairs

    check_suffix(out, ".csv", ".parquet")
    recommender = load_recommender(run)
    frame = read_pairs(pairs)
    users = recommender.locate_users(frame["user"].to_numpy())
    items = recommender.locate_items(frame["item"].to_numpy())
    frame["stars"] = recommender.predict(frame["user"].to_numpy(), frame["item"].to_numpy(), selection=selection)
    if recommender.star_model is not None:
        distribution = recommender.star_model.distribution(frame["stars"].to_numpy(), users, items)
        frame["low"], frame["high"] = distribution.interval(0.9)
        frame["p_like"] = distribution.like_probability()
    write_table(frame, out)
    unknown_users, unknown_items = int((users < 0).sum()), int((items < 0).sum())
    print_lines(
        [
            f"Saved      {out}: {len(frame):,} predictions; {unknown_users:,} of unknown users, {unknown_items:,} of "
            "unknown films",
            f"Stars      as {selection}: {_MEANING[selection]}",
        ]
    )


@app.command()
def encode(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FILE", help="File for the vectors: .npy, .csv or .parquet.")],
    ratings: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Encode the people in this file, one person's or many people's ratings, instead of training users.",
        ),
    ] = None,
    items: Annotated[bool, typer.Option("--items", help="Write the latent vectors of films instead.")] = False,
    debug: Debug = False,
) -> None:
    """Write latent vectors of people or films."""
    from ..storage import replacing

    check_suffix(out, ".npy", ".csv", ".parquet")
    recommender = load_recommender(run)
    if items and ratings is not None:
        raise typer.BadParameter("--items writes the films of the model and reads no ratings. Leave --ratings out.")
    if items:
        ids, latent = recommender.item_ids, recommender.model.items.latent
    elif ratings is None:
        ids, latent = recommender.user_ids, recommender.model.users.latent
    else:
        people = ratings_of_people(recommender, ratings)
        ids, latent = people.user_ids, recommender.encode(people).latent
    if out.suffix == ".npy":
        import numpy as np

        with replacing(out) as temporary, temporary.open("wb") as file:
            np.save(file, latent, allow_pickle=False)
    else:
        import pandas as pd

        frame = pd.DataFrame(latent, columns=[f"z{column}" for column in range(latent.shape[1])])
        frame.insert(0, "item" if items else "user", ids)
        write_table(frame, out)
    print_lines([f"Saved      {out}: {len(latent):,} vectors of {latent.shape[1]} numbers"])


@app.command("add-items")
def add_items(
    run: Run,
    file: Annotated[str, typer.Argument(help="Ratings of new films by training users, with titles if there are any.")],
    out: Annotated[Path, typer.Option(metavar="RUN2", help="Folder of the new run.")],
    debug: Debug = False,
) -> None:
    """Add new films with a few ratings to a model, without training. The old run does not change."""
    from ..bundle.add_items import add_items as extend

    print_lines(extend(run, file, out).lines())


@app.command()
def serve(
    run: Run,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but 127.0.0.1 admits other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(callback=_port, help="Port to listen on.")] = 8000,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    rate_limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=at_least_one,
            help="Requests per minute and address; if omitted, 600, and no limit on 127.0.0.1.",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Serve a web page for all this on your own machine."""
    recommender = load_recommender(run)
    try:
        from ..web import serve as run_server
    except ModuleNotFoundError as missing:
        raise ImportError(
            f'The page needs {missing.name}, which is not installed. Install it with: pip install -e ".[web]".'
        ) from None
    run_server(recommender, host=host, port=port, open_browser=open_browser, rate_limit=rate_limit)
