"""functions-framework as it is, without the control socket that gunicorn puts into the user's home."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from functions_framework._cli import _cli
    from functions_framework._http import gunicorn

    configure = gunicorn.GunicornApplication.load_config

    def load_config(application: gunicorn.GunicornApplication) -> None:
        configure(application)
        application.cfg.set("control_socket_disable", True)

    gunicorn.GunicornApplication.load_config = load_config
    sys.exit(_cli(prog_name="functions-framework"))
