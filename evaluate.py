"""Evaluate a trained rating autoencoder on ratings that it has never seen.

    python evaluate.py                     the model in runs/latest
    python evaluate.py RUN --ratings FILE  on other held-out ratings
    python evaluate.py --json              one JSON object on standard output
    python evaluate.py --help              every option

Prints MSE, RMSE and MAE of the model and of the baselines, and one user's original and reconstructed stars. Writes
report.html, figures/*.png and evaluation.json into the run's folder. On the sample it takes a few seconds.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

try:
    from movie_autoencoder.cli import main
except ModuleNotFoundError as missing:
    sys.exit(f'Error: {missing.name} is not installed. Install what is needed with: pip install -e ".[sample]"')

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
