"""`make deploy` and `make destroy`: what they refuse, and in which order they do what they do.

terraform and gcloud are stood in for by a script that writes down how it was called: there is no cloud to call.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.gcp.checks.gcloud_lint import commands, lint

ROOT = Path(__file__).parents[2]
RECORDER = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in
  *"artifacts docker images describe"*) exit "${NO_IMAGE:-0}" ;;
  *"builds submit"*)
    echo x >>"$CALLS.builds"
    if [ "$(grep -c x "$CALLS.builds")" -le "${REFUSALS:-0}" ]; then echo "PERMISSION_DENIED" >&2; exit 1; fi ;;
  *"buckets describe"*) if [ "${NO_BUCKET:-0}" = 1 ]; then echo "ERROR: of gcloud" >&2; exit 1; fi ;;
  *"output -raw dataset"*) echo tidewheel ;;
  *print-access-token*) exit "${NOBODY:-0}" ;;
esac
"""


class Deployment:
    """A copy of what the script needs, with commands that write down how they are called."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._calls = folder, folder / "calls"
        (folder / "deploy/gcp/mlflow").mkdir(parents=True)
        for name in ("deploy.sh", "example.tfvars"):
            shutil.copy(ROOT / "deploy/gcp" / name, folder / "deploy/gcp")
        # Nothing else may be found: neither the machine's own terraform nor its gcloud.
        (folder / "bin").mkdir()
        for tool in (
            "bash",
            "dirname",
            "basename",
            "env",
            "find",
            "sort",
            "xargs",
            "git",
            "cut",
            "cat",
            "grep",
            "sh",
            "mkdir",
        ):
            (folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
        for tool in ("terraform", "gcloud", "sleep"):
            self.install(tool)
        self.install("python", '#!/bin/sh\necho "python $*" >>"$CALLS"\nmkdir -p build/gcp/mlflow\n')
        (folder / "deploy/gcp/demo.tfvars").touch()

    def install(self, name: str, text: str = RECORDER) -> None:
        path = self._folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def remove(self, *names: str) -> None:
        for name in names:
            (self._folder / name).unlink()

    def run(self, what: str = "up", **env: str) -> subprocess.CompletedProcess[str]:
        given = {"PROJECT": "demo", "REGION": "europe-west1", **env}
        own = {"PATH": str(self._folder / "bin"), "CALLS": str(self._calls), "PYTHON": "python"}
        call = [str(self._folder / "deploy/gcp/deploy.sh"), what]
        return subprocess.run(call, env={**own, **given}, capture_output=True, text=True, check=False)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def at(self, text: str) -> int:
        """At which place something was called."""
        return next(at for at, call in enumerate(self.calls) if text in call)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


@pytest.mark.parametrize(
    ("env", "missing", "said"),
    [
        ({"PROJECT": ""}, (), "PROJECT is not set: make deploy PROJECT=my-project REGION=europe-west1"),
        ({"REGION": ""}, (), "REGION is not set: make deploy PROJECT=demo REGION=europe-west1"),
        ({}, ("bin/terraform",), "terraform is not installed"),
        ({}, ("bin/gcloud",), "gcloud is not installed"),
        ({}, ("deploy/gcp/demo.tfvars",), "deploy/gcp/demo.tfvars is not there: copy deploy/gcp/example.tfvars"),
        ({"NOBODY": "1"}, (), "nobody is logged in: gcloud auth application-default login"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence_and_nothing_is_done(
    deployment: Deployment, env: dict[str, str], missing: tuple[str, ...], said: str
) -> None:
    deployment.remove(*missing)
    done = deployment.run(**env)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not any("apply" in call or "create" in call for call in deployment.calls)


def test_the_first_deployment_makes_what_a_build_needs_then_the_image_then_the_rest(deployment: Deployment) -> None:
    assert deployment.run(NO_IMAGE="1", NO_BUCKET="1").returncode == 0
    order = ["deploy.gcp.package", "services enable", "services identity create --service=pubsub.googleapis.com"]
    order += ["buckets create gs://demo-terraform", "terraform -chdir=deploy/gcp init"]
    order += ["-target=google_artifact_registry_repository_iam_member.builder", "builds submit"]
    places = [deployment.at(each) for each in order]
    assert places == sorted(places)
    applied = [call for call in deployment.calls if " apply " in call]
    assert len(applied) == 2
    assert "-target" not in applied[1]
    assert deployment.at("deploy.gcp.tables") > deployment.calls.index(applied[1])
    # The image that is built is the one that is deployed.
    image = next(word for word in applied[1].split() if word.startswith("-var=mlflow_image=")).partition("image=")[2]
    assert f"--substitutions=_IMAGE={image}" in deployment.calls[deployment.at("builds submit")]


def test_a_build_whose_grants_do_not_hold_yet_is_asked_for_again_with_growing_pauses(deployment: Deployment) -> None:
    done = deployment.run(NO_IMAGE="1", REFUSALS="2")
    assert done.returncode == 0
    assert [call for call in deployment.calls if call.startswith("sleep")] == ["sleep 15", "sleep 30"]
    assert "What was granted a moment ago may not hold everywhere yet: again in 15 s." in done.stderr
    assert len([call for call in deployment.calls if " apply " in call]) == 2


def test_a_build_that_is_refused_for_good_ends_the_deployment_before_anything_needs_it(deployment: Deployment) -> None:
    done = deployment.run(NO_IMAGE="1", REFUSALS="99")
    assert (done.returncode, done.stderr.splitlines()[-1][:26]) == (2, "it was refused five times:")
    assert len([call for call in deployment.calls if "builds submit" in call]) == 5
    assert len([call for call in deployment.calls if " apply " in call]) == 1


def test_an_image_that_is_there_is_not_built_again(deployment: Deployment) -> None:
    assert deployment.run().returncode == 0
    assert not any("builds submit" in call or "buckets create" in call for call in deployment.calls)
    assert len([call for call in deployment.calls if " apply " in call]) == 1


def test_nothing_is_changed_without_being_asked_unless_somebody_says_so(deployment: Deployment) -> None:
    deployment.run()
    assert "-auto-approve=false" in deployment.calls[deployment.at(" apply ")]
    deployment.run("down")
    assert "-auto-approve=false" in deployment.calls[deployment.at(" destroy ")]


def test_the_tables_are_made_in_the_cloud_also_where_a_stack_runs_on_the_laptop(deployment: Deployment) -> None:
    deployment.install("python", '#!/bin/sh\nenv >>"$CALLS"\nmkdir -p build/gcp/mlflow\n')
    assert (
        deployment.run(BIGQUERY_EMULATOR_HOST="127.0.0.1:1", STORAGE_EMULATOR_HOST="http://127.0.0.1:2").returncode == 0
    )
    assert not any("EMULATOR_HOST" in call for call in deployment.calls)


def test_yes_asks_nothing(deployment: Deployment) -> None:
    deployment.run(YES="1")
    assert "-auto-approve=true" in deployment.calls[deployment.at(" apply ")]


def test_a_plan_changes_nothing_but_makes_what_it_takes(deployment: Deployment) -> None:
    assert deployment.run(PLAN="1", NO_IMAGE="1", NO_BUCKET="1").returncode == 0
    assert deployment.at(" plan ") > deployment.at("buckets create gs://demo-terraform")
    assert not any(" apply " in call or "builds submit" in call for call in deployment.calls)


def test_who_may_only_look_can_plan_where_something_is_deployed(deployment: Deployment) -> None:
    assert deployment.run(PLAN="1").returncode == 0
    assert not any(word in call for call in deployment.calls for word in ("enable", "create", "update", " apply "))


def test_where_nothing_is_deployed_nothing_is_destroyed_or_made(deployment: Deployment) -> None:
    done = deployment.run("down", NO_BUCKET="1")
    assert "gs://demo-terraform, with all that is known of a deployment in demo, cannot be looked at" in done.stderr
    # Whether it is not there, or nobody may look, is gcloud's to say.
    assert "ERROR: of gcloud" in done.stderr
    assert done.returncode == 2
    assert not any(word in call for call in deployment.calls for word in ("create", "enable", "update", "destroy"))


def test_a_deployment_that_broke_off_or_began_by_hand_is_made_up_for(deployment: Deployment) -> None:
    assert deployment.run().returncode == 0
    for needed in ("services enable", "services identity create", "buckets update gs://demo-terraform --versioning"):
        assert any(needed in call for call in deployment.calls), needed


def test_the_makefile_hands_on_where_to(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("PROJECT", "REGION")}
    done = subprocess.run(
        ["make", "-o", ".venv/.installed", "deploy", "PROJECT=demo"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "REGION is not set: make deploy PROJECT=demo" in done.stderr


def test_gcloud_commands_are_found_in_pages_and_scripts(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "gcloud in a sentence\n```sh\n"
        'gcloud pubsub topics publish x \\\n  --message=\'{"a": 1}\' --project="$PROJECT" | cat\n'
        'URL="$(gcloud run services describe y --region=$REGION 2>/dev/null)"\n```\n'
    )
    assert list(commands(page)) == [
        'gcloud pubsub topics publish x --message=\'{"a": 1}\' --project="placeholder"',
        "gcloud run services describe y --region=placeholder",
    ]


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_a_flag_that_gcloud_does_not_know_is_found() -> None:
    wrong = lint(["gcloud run services proxy mlflow --regoin=x", "gcloud run services proxy mlflow --region=x"])
    assert len(wrong) == 1
    assert "--regoin" in wrong[0]
