"""A real browser, which opens a page from disk and tells what became of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from html import unescape
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_TOLD = re.compile(r'<meta name="told" content="([^"]*)"')
_WATCH = """<script>
window.problems = [];
addEventListener("error", event => problems.push(String(event.message || event.target)), true);
addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", event => problems.push("policy: " + event.blockedURI));
for (const name of ["error", "warn"]) console[name] = (...all) => problems.push(all.join(" "));
</script>"""
_TELL = """<script>
{{
  const told = (() => {{ {script} }})();
  const asked = performance.getEntriesByType("resource").map(each => each.name);
  const meta = Object.assign(document.createElement("meta"), {{name: "told"}});
  meta.content = JSON.stringify({{told, problems, asked}});
  document.head.append(meta);
}}
</script>"""


def open_page(page: str, script: str = "return null") -> Any:
    """Open the page, run the script in it; what it returned, the problems seen and what the page asked for."""
    watched = page.replace("<head>", f"<head>{_WATCH}", 1).replace("</body>", f"{_TELL.format(script=script)}</body>")
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "page.html"
        path.write_text(watched, encoding="utf-8")
        argv = [CHROMIUM, "--headless", "--no-sandbox", f"--user-data-dir={home}/profile", "--disable-gpu"]
        argv += ["--disable-background-networking", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"]
        argv += ["--dump-dom", path.as_uri()]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
    found = _TOLD.search(done.stdout)
    assert found, done.stderr
    return json.loads(unescape(found[1]))
