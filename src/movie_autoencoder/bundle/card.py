"""The model card: README.md of a bundle, which says what the model is, how good it is, and what its limits are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..models.registry import family_named
from .bundle import Bundle

_MOVIELENS = """The ratings come from MovieLens (GroupLens, University of Minnesota). Their licence applies to this
bundle too: research use, no commercial use without permission, acknowledgement of
F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5, 4 (2015),
https://doi.org/10.1145/2827872. The data set's own README has the exact terms."""
_NETFLIX = (
    """The ratings come from the Netflix Prize. Its terms apply to this bundle too: research use, no redistribution."""
)
_OTHER = """The licence of the training ratings applies to this bundle too."""


def model_card(bundle: Bundle) -> str:
    """The model card of a bundle, as Markdown."""
    metadata, model = bundle.metadata, bundle.model
    kept = (
        "The training ratings are inside (`ratings.parquet`): whoever gets this bundle gets them too."
        if bundle.ratings is not None
        else "The training ratings are not inside, so that reconstruction error and overlap cannot be computed."
    )
    if not model.scale.rated:
        return _card_without_stars(bundle, kept)
    return f"""# Model card: {family_named(model.name).title or model.name}

Predicts ratings of {len(bundle.item_ids):,} items by {len(bundle.user_ids):,} users, from {model.scale}. Trained on
{metadata["num_ratings"]:,} ratings. Made with movie-rating-autoencoder; load it with
`movie_autoencoder.Recommender.load(RUN)`. No pickle is inside.

## Training
Seed {metadata["config"]["training"]["seed"]}, {metadata["epochs"]} epochs of a schedule of \
{metadata["schedule_epochs"]}. Settings:

| | |
|---|---|
{_rows(metadata["settings"])}

{_validation(bundle)}{_added_items(metadata)}
## Limits
The model knows only the items above, and of people only their ratings. Predictions for items with few ratings are close
to averages. People choose what they watch and rate: a prediction says what *such* people would give.

## Data and licence
SHA-256 of the ratings: `{metadata["data"]["sha256"]}`. {kept}

{_licence(str(metadata["data"]["format"]))}
"""


def _card_without_stars(bundle: Bundle, kept: str) -> str:
    metadata = bundle.metadata
    figures = "\n".join(
        f"| {name} | {one['ndcg_100']:.4f} | {one['recall_20']:.4f} |" for name, one in metadata["validation"].items()
    )
    validation = (
        "Means over users on the validation part, before the refit on all training pairs (test results: "
        f"`evaluation.json`):\n\n| | NDCG@100 | Recall@20 |\n|---|---|---|\n{figures}\n"
        if figures
        else "There was no validation part.\n"
    )
    return f"""# Model card: {family_named(bundle.model.name).title or bundle.model.name}

Ranks {len(bundle.item_ids):,} items by how likely people are to choose them, learnt from the choices of
{len(bundle.user_ids):,} users. **It predicts no stars**: it was trained on {metadata["num_ratings"]:,} pairs of user
and item without ratings. Made with movie-rating-autoencoder; load it with
`movie_autoencoder.Recommender.load(RUN)`. No pickle is inside.

## Training
Seed {metadata["config"]["training"]["seed"]}. Closed forms; settings that were chosen on validation:

| | |
|---|---|
{_rows(metadata["settings"])}

{validation}
## Limits
The model knows only the items above, and of people only what they chose. It says what *such* people choose, not whether
they like it. Items that few people chose are rarely recommended.

## Data and licence
SHA-256 of the pairs: `{metadata["data"]["sha256"]}`. {kept.replace("ratings are", "pairs are")}

{_licence(str(metadata["data"]["format"]))}
"""


def _rows(settings: Mapping[str, Any]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in settings.items())


def _validation(bundle: Bundle) -> str:
    """Errors of the model, its members and the baselines, and what the model says of itself."""
    model = bundle.model
    sentences = "".join(f"{model.name}: {sentence}.\n" for sentence in model.describe())
    figures = bundle.metadata["validation"]
    if not figures:
        return sentences + "There was no validation part.\n"
    rows = "\n".join(
        f"| {model.name if name == 'model' else name} | {errors['rmse']:.4f} | {errors['mae']:.4f} |"
        for name, errors in figures.items()
    )
    return (
        f"{sentences}\nErrors on the validation part, before the refit on all training ratings (test results: "
        f"`evaluation.json`):\n\n| | RMSE | MAE |\n|---|---|---|\n{rows}\n"
    ).lstrip("\n")


def _added_items(metadata: Mapping[str, Any]) -> str:
    added = metadata.get("extensions", [])
    if not added:
        return ""
    items, ratings = (sum(one[name] for one in added) for name in ("num_items", "num_ratings"))
    return (
        f"\n{items:,} {'movie was' if items == 1 else 'movies were'} added after training, from {ratings:,} "
        f"{'rating' if ratings == 1 else 'ratings'} by the training users. No weight of the model changed.\n"
    )


def _licence(data_format: str) -> str:
    if data_format.startswith(("movielens", "sample")):
        return _MOVIELENS
    return _NETFLIX if data_format == "netflix" else _OTHER
