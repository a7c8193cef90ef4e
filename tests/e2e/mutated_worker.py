"""`python -m tests.e2e.mutated_worker TASK.json`: the worker without the claim that keeps a second one away."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e import mutations
from training_vm import worker

if __name__ == "__main__":
    mutations.claim()
    sys.exit(worker.main(Path(sys.argv[1])))
