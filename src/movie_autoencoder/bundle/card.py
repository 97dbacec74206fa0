"""The model card: the README.md of a bundle, for whoever is handed one."""

from __future__ import annotations

from .bundle import Bundle

_MOVIELENS = """The ratings come from MovieLens (GroupLens, University of Minnesota). Their licence applies to this
bundle too: research use, no commercial use without permission, acknowledgement of
F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5, 4 (2015),
https://doi.org/10.1145/2827872. The data set's own README has the exact terms."""
_NETFLIX = (
    """The ratings come from the Netflix Prize. Its terms apply to this bundle too: research use, no redistribution."""
)
_OTHER = """The licence of the ratings that it was trained on applies to this bundle too."""


def model_card(bundle: Bundle) -> str:
    """Markdown that says what a bundle is, what it was trained on, how good it is, and what its limits are."""
    metadata, scale = bundle.metadata, bundle.model.scale
    settings = "\n".join(f"| {name} | {value} |" for name, value in metadata["settings"].items())
    rows = "\n".join(
        f"| {name} | {figures['rmse']:.4f} | {figures['mae']:.4f} |" for name, figures in metadata["validation"].items()
    )
    validation = (
        f"On the validation part, before the refit on all training ratings (test results: `evaluation.json`):\n\n"
        f"| | RMSE | MAE |\n|---|---|---|\n{rows}\n"
        if rows
        else "There was no validation part.\n"
    )
    kind = str(metadata["data"]["format"])
    licence = _MOVIELENS if kind.startswith(("movielens", "sample")) else _NETFLIX if kind == "netflix" else _OTHER
    kept = (
        "The training ratings are inside (`ratings.parquet`): whoever gets this bundle gets them too."
        if bundle.ratings is not None
        else "The training ratings are not inside; reconstruction error and overlap cannot be computed from it."
    )
    extensions = bundle.metadata.get("extensions", [])
    number, ratings = (sum(one[name] for one in extensions) for name in ("num_items", "num_ratings"))
    grown = (
        f"\n{number:,} {'movie was' if number == 1 else 'movies were'} added after training, from {ratings:,} "
        f"{'rating' if ratings == 1 else 'ratings'} by its users and without learning anything anew.\n"
        if extensions
        else ""
    )
    return f"""# Model card: {bundle.model.name} rating autoencoder

Predicts stars from {scale} for {len(bundle.user_ids):,} users and {len(bundle.item_ids):,} items; trained on
{metadata["num_ratings"]:,} ratings. Made with movie-rating-autoencoder; load it with
`movie_autoencoder.Recommender.load(RUN)`. No pickle is inside.

## Training
Seed {metadata["config"]["training"]["seed"]}, {metadata["epochs"]} epochs of a schedule of
{metadata["schedule_epochs"]}. Settings:

| | |
|---|---|
{settings}

{validation}{grown}
## Limits
It knows only the items above, and people only through their stars. Predictions for items with few ratings are close
to averages. Ratings are made by people who chose what to watch: a prediction says what *such* people would give.

## Data and licence
SHA-256 of the ratings: `{metadata["data"]["sha256"]}`. {kept}

{licence}
"""
