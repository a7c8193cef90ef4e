"""`up`, `down` and `env`: the laptop's stack."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from cli.output import WrongArgument, say, show_json, show_table
from cli.place import HOME, home, refuse_cloud

PAGES = {
    "mlflow": "experiments and versions, in a browser",
    "predict": "predictions over HTTP: POST /models/<model>/predict",
    "pubsub": "gRPC, for official clients",
    "storage": "Cloud Storage's JSON API",
    "bigquery": "BigQuery's REST API",
}


def up(
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Return when the stack is ready, and leave it up.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget all that an earlier stack has kept.")] = False,
    port: Annotated[list[str] | None, typer.Option(help="NAME=PORT: fix a part's port; may be repeated.")] = None,
    pubsub: Annotated[str, typer.Option(help="Whose Pub/Sub: tidewheel, or google where gcloud has it.")] = "tidewheel",
) -> None:
    """Start the laptop's stack, until Ctrl-C or --detach. What it keeps is in .tidewheel/."""
    refuse_cloud("up")
    from deploy.local import stack

    ports = _ports(port or [])
    if pubsub not in ("tidewheel", "google"):
        raise WrongArgument(f'no Pub/Sub is called "{pubsub}".', "Known: tidewheel, google.")
    say(f"Starting the stack in {home()}; MLflow takes the longest.")
    stack.up(
        home(), detach=detach, fresh=fresh, ports=ports, pubsub=pubsub, on_progress=say, on_ready=_tell(detach=detach)
    )
    if not detach:
        say("The stack is stopped; what it knows is kept.")


def down() -> None:
    """Stop the laptop's stack. What it knows is kept for the next start."""
    refuse_cloud("down")
    from deploy.local import stack

    stopped = stack.down(home())
    say("The stack is stopped; what it knows is kept." if stopped else f"No stack was running in {home()}.")


def env(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Print what a shell has to export so that any official client talks to the stack."""
    refuse_cloud("env")
    from deploy.local import stack

    variables = stack.stack_env(home()) | {HOME: str(home())}
    if as_json:
        show_json(variables)
        return
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def _tell(*, detach: bool) -> Any:
    def tell(running: dict[str, Any]) -> None:
        addresses = {name: _address(name, number) for name, number in running["ports"].items()}
        rows = [(name, address, PAGES.get(name, "")) for name, address in addresses.items()]
        show_table("The stack", ("part", "address", ""), rows)
        say(f"MLflow's page: {addresses['mlflow']}")
        say('Stop it with "tidewheel down".' if detach else "Ctrl-C stops it.")

    return tell


def _address(name: str, port: int) -> str:
    is_grpc = name in ("pubsub", "bigquery_storage")
    return f"127.0.0.1:{port}" if is_grpc else f"http://127.0.0.1:{port}"


def _ports(given: list[str]) -> dict[str, int]:
    from deploy.local.parts import Plan

    ports: dict[str, int] = {}
    for each in given:
        name, _, number = each.partition("=")
        if not number.isdecimal() or not 0 < int(number) < 65_536:
            raise WrongArgument(f'--port takes NAME=PORT, not "{each}".', "Example: --port mlflow=5000.")
        if name not in Plan().port_names():
            known = ", ".join(Plan().port_names())
            raise WrongArgument(f'no part takes a port named "{name}".', f"Known: {known}.")
        if int(number) in ports.values():
            raise WrongArgument(f"port {number} is given twice: two parts cannot share it.", "Give each its own.")
        ports[name] = int(number)
    return ports
