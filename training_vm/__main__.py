"""`python -m training_vm TASK.json`: train the one request that the task names, announce the version, end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Before scikit-learn is imported: threads that spin while they wait make a busy machine eight times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from training_vm import worker

if __name__ == "__main__":
    sys.exit(worker.main(Path(sys.argv[1])))
