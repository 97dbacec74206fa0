"""Writes docs/configuration.md from the code: every option of every command and every configuration key.

python docs/reference.py          writes the page
python docs/reference.py --print  prints the page

A test fails while the page differs from the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from pydantic.fields import FieldInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from movie_autoencoder import cli, config  # noqa: E402

PAGE = Path(__file__).resolve().parent / "configuration.md"


def page() -> str:
    """The page's text."""
    parts = [
        "# Options and settings\n\n`python docs/reference.py` writes this page from the code.\n\n`train.py` and "
        "`evaluate.py` have the options of `movie-autoencoder train` and `evaluate`.\n"
    ]
    group = typer.main.get_command(cli.app)
    for title, command in sorted(group.commands.items()):
        parts.append(
            f"\n## movie-autoencoder {title}\n\n{(command.help or '').strip()}\n\n| option | meaning |\n|---|---|\n"
        )
        for option in command.params:
            name = ", ".join(option.opts) if option.opts[0].startswith("-") else option.opts[0].upper()
            parts.append(f"| `{name}` | {getattr(option, 'help', None) or ''} |\n")
    parts.append(
        "\n## Settings\n\nIn a file (`--config`, TOML) or one at a time (`--set SECTION.KEY=VALUE`). An unknown key is "
        "an error. A setting without a default is chosen on validation or by a rule (docs/models.md).\n"
    )
    sections = {
        "data": config.DataConfig,
        "split": config.SplitConfig,
        "model (dual)": config.DualConfig,
        "model (autorec)": config.AutorecConfig,
        "training": config.TrainingConfig,
        "bundle": config.BundleConfig,
    }
    for title, section in sections.items():
        parts.append(
            f"\n### {title}\n\n{(section.__doc__ or '').strip()}\n\n| key | default | meaning |\n|---|---|---|\n"
        )
        prefix = title.split(" ")[0]
        for key, field in section.model_fields.items():
            parts.append(f"| `{prefix}.{key}` | {_default(field)} | {field.description or 'which model'} |\n")
    return "".join(parts)


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if field.is_required():
        return "`autorec`"
    if value is None:
        return ""
    return f"`{list(value) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    if "--print" in sys.argv[1:]:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page(), encoding="utf-8")
