"""Train the rating autoencoder.

    python train.py                        on the ratings in data/, or on the MovieLens sample
    python train.py --data ml-latest-small --out runs/small
    python train.py --model autorec        a classic autoencoder
    python train.py --help                 every option

Prints statistics of the data, the split, an estimate of memory and time, progress, and the validation errors of the
model and of the baselines. Saves the trained model in runs/latest. The sample (100 thousand ratings) takes 20 to 40
seconds.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

try:
    from movie_autoencoder.cli import main
except ModuleNotFoundError as missing:
    sys.exit(f'Error: {missing.name} is not installed. Install what is needed with: pip install -e ".[sample]"')

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
