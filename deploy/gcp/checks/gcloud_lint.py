"""`python -m deploy.gcp.checks.gcloud_lint FILES`: whether gcloud would understand the commands of pages and scripts.

gcloud itself looks at them and runs none. Where it is not installed, that is said, and is no failure.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

_FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|\$\(|\bif |! |&& |\| )\s*(gcloud [^#\n]*)", re.MULTILINE)
# What ends a command in a shell; a quoted text may hold such signs.
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'|&;<>)])+|[|&;<>)]""")
PLACEHOLDER = "placeholder"


def commands(path: Path) -> Iterator[str]:
    """The gcloud commands of a script, or of the shell blocks of a page."""
    text = path.read_text()
    shell = "\n".join(_FENCE.findall(text)) if path.suffix == ".md" else text
    for found in _COMMAND.findall(shell.replace("\\\n", " ")):
        words = _WORD.findall(found)
        end = next((at for at, word in enumerate(words) if word in "|&;<>)"), len(words))
        # A redirection such as 2> has its number before it.
        kept = [word for word in words[:end] if word != "2"]
        yield re.sub(r"\$\{?\w+\}?", PLACEHOLDER, " ".join(kept))


def lint(wanted: list[str]) -> list[str]:
    """What gcloud says of those that it does not understand."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "commands.json"
        file.write_text(json.dumps([{"command_string": each} for each in wanted]))
        call = ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={file}"]
        # Its settings may lie where we cannot write.
        said = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120)
    return [
        f"{each['command_string']}: {each['error_message']}" for each in json.loads(said.stdout) if not each["success"]
    ]


def main(paths: list[Path]) -> int:
    """0 if every command is understood, or nobody is there who could say."""
    wanted = list(dict.fromkeys(command for path in paths for command in commands(path)))
    if shutil.which("gcloud") is None:
        print(f"gcloud is not installed: {len(wanted)} commands are not looked at.")
        return 0
    wrong = lint(wanted)
    print("\n".join(wrong) or f"gcloud understands all {len(wanted)} commands.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main([Path(each) for each in sys.argv[1:]]))
