"""`python -m deploy.gcp.mlflow`: the folder from which the image of the MLflow server is built."""

from __future__ import annotations

import argparse
from pathlib import Path

from deploy.gcp.mlflow.image import stage
from shared.errors import TidewheelError


def main() -> None:
    """Write it, and say what to do next."""
    parser = argparse.ArgumentParser(prog="python -m deploy.gcp.mlflow", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/gcp/mlflow"), help="the folder to write to")
    parser.add_argument("--digest", default="", help="the base image's digest, sha256:..., to pin it for good")
    chosen = parser.parse_args()
    try:
        stage(chosen.out, digest=chosen.digest)
    except TidewheelError as error:
        raise SystemExit(f"{error}") from error
    print(f"{chosen.out} is ready: gcloud builds submit {chosen.out} --tag IMAGE")


if __name__ == "__main__":
    main()
