"""`python -m deploy.gcp.package`: a folder and a zip file for each function and the worker, and a list of them.

Terraform reads the list, and deploys what has another digest than before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from deploy.gcp.packaging import stage, versions
from deploy.gcp.packaging.archive import zipped
from shared.errors import TidewheelError

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = "manifest.json"


def package(out: Path, root: Path = ROOT) -> dict[str, Any]:
    """Write everything into `out`: what its manifest says.

    Raises:
        PermanentError: something imports what has no pin.
    """
    out.mkdir(parents=True, exist_ok=True)
    functions = {name: _pack(stage.of_function(root, name), out) for name in stage.function_names(root)}
    worker = _pack(stage.of_worker(root), out)
    manifest = {"commit": versions.head(root), "functions": functions, "worker": worker}
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def _pack(staged: stage.Stage, out: Path) -> dict[str, Any]:
    staged.write(out / staged.name)
    packed = zipped(staged.files)
    (out / f"{staged.name}.zip").write_bytes(packed)
    return {"file": f"{staged.name}.zip", "sha256": hashlib.sha256(packed).hexdigest(), "size_bytes": len(packed)}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.gcp.package", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/gcp"), help="the folder to write into")
    out = parser.parse_args().out
    try:
        manifest = package(out)
    except TidewheelError as error:
        raise SystemExit(f"{error}") from error
    for name, each in [*manifest["functions"].items(), (stage.WORKER, manifest["worker"])]:
        pins = (out / name / "requirements.txt").read_text().count("==")
        print(f"{name:16} {each['size_bytes'] / 1000:6.0f} kB  {pins:3} pins  {each['sha256'][:16]}")
    print(f"{out / MANIFEST} is written.")


if __name__ == "__main__":
    main()
