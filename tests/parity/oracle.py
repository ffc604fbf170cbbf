"""Runs under a Python that has promptflow: serves flows by promptflow's own server until it is killed.

python oracle.py OUT FOLDER…: writes to OUT, as JSON, the port of each folder, or the text of its refusal.
"""

import json
import os
import sys
import threading
from pathlib import Path

from promptflow.core._serving.app import create_app
from werkzeug.serving import WSGIRequestHandler, make_server


def serve(folder):
    os.environ["PROMPTFLOW_PROJECT_PATH"] = str(folder)
    app = create_app(flow_file_path=next(iter([*folder.glob("flow.*.yaml"), *folder.glob("*.prompty")])))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.port


def main(out, *folders):
    WSGIRequestHandler.protocol_version = "HTTP/1.1"  # so that a stream that breaks off can be told from one that ends
    WSGIRequestHandler.log_request = lambda *_: None
    ports = {}
    for folder in map(Path, folders):
        try:
            ports[folder.name] = serve(folder)
        except Exception as problem:
            ports[folder.name] = str(problem)
    Path(out).with_suffix(".part").write_text(json.dumps(ports))
    Path(out).with_suffix(".part").rename(out)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
