"""Which drops a version has learned from, and was judged on: in files beside its run, as no tag holds thousands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory
from typing import Any

from shared.adapters.registry_client import passing
from shared.adapters.registry_records import DATA_FILE, JUDGED_FILE, Version
from shared.adapters.registry_versions import Versions
from shared.errors import PassingError, PermanentError

READERS = 8


class Data(Versions):
    """Reads the whole data version of a version, whose tag says only how many drops there are."""

    def data_version(self, version: Version) -> dict[str, Any]:
        """All that pins a version's rows, `drops` as a list of (drop, generation); empty if nothing was said.

        Raises:
            PermanentError: the file beside the version's run is gone.
        """
        # A version that was made when there were few drops has the list itself in its tag.
        if isinstance(version.data_version.get("drops", []), list):
            return version.data_version
        return self._file(version, DATA_FILE)

    def judged_on(self, version: Version) -> dict[str, Any]:
        """On which `drops` a version was judged, `among` which others if not those of its data version.

        Raises:
            PermanentError: the file beside the version's run is gone, or was never written.
        """
        return self._file(version, JUDGED_FILE)

    def drops(self, versions: Sequence[Version]) -> list[dict[str, int]]:
        """For each version the drops that it has learned from, with their generations; several are read at once."""
        if len(versions) < 2:
            return [self._generations(each) for each in versions]
        with ThreadPoolExecutor(READERS) as threads:
            return list(threads.map(self._generations, versions))

    def _generations(self, version: Version) -> dict[str, int]:
        return dict(self.data_version(version).get("drops", []))

    def _file(self, version: Version, name: str) -> dict[str, Any]:
        try:
            with passing(), TemporaryDirectory() as folder:
                location = self.client.get_run(version.run).info.artifact_uri
                whole: dict[str, Any] = json.loads(self._download(location, name, folder).read_text())
        except PassingError as error:
            # MLflow's server answers 500 for a file that the bucket does not have.
            if self._is_there(version.run, name):
                raise
            raise _lost(version, name) from error
        return whole

    def _is_there(self, run: str, name: str) -> bool:
        with passing():
            return any(each.path == name for each in self.client.list_artifacts(run))


def _lost(version: Version, name: str) -> PermanentError:
    fault = f"the run {version.run} of version {version.version} of {version.model} has no {name} any more."
    return PermanentError(fault, "Which drops that was about is not known: restore MLflow's bucket.")
