"""Starting TensorFlow quietly, once, with the threads that were asked for."""

from __future__ import annotations

import os
import sys
import tempfile


class MissingTensorFlow(ImportError):
    """TensorFlow is needed and not installed; the message has the pip line."""


def start_tensorflow(threads: int = 0) -> None:
    """Imports TensorFlow; what its libraries print while starting is shown only when they fail.

    Args:
        threads: processor threads for its operations; 0 for all. Only the first start of a process counts.

    Raises:
        MissingTensorFlow: it is not installed.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as noise:
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(noise.fileno(), 2)  # the native libraries write to the descriptor, past sys.stderr
        try:
            import tensorflow as tf

            if threads:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(threads)
            tf.zeros(1)  # finds the devices, and complains about those it does not find
        except ModuleNotFoundError as error:
            raise MissingTensorFlow(
                f'Training needs {error.name}, which is not installed. Install it with: pip install -e ".[train]"'
            ) from None
        except BaseException:
            noise.seek(0)
            os.write(saved, noise.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
