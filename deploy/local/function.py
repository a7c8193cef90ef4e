"""One function in functions-framework, without the control socket that gunicorn puts into the user's home."""

from __future__ import annotations

import argparse


def main() -> None:
    """Serve the function until SIGTERM, then let the requests in flight finish."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.function", description=__doc__)
    parser.add_argument("--source", required=True, help="the function's main.py")
    parser.add_argument("--target", required=True, help="the function's name in it")
    parser.add_argument("--signature-type", choices=["cloudevent", "http"], required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()

    from functions_framework import create_app
    from functions_framework._http.gunicorn import GunicornApplication

    app = create_app(options.target, options.source, options.signature_type)
    GunicornApplication(app, options.host, options.port, debug=False, control_socket_disable=True).run()


if __name__ == "__main__":
    main()
