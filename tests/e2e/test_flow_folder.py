"""Where the flow's code finds its files while it serves: beside itself, included ones too, wherever pfserve started."""

from __future__ import annotations

from pathlib import Path

from serving import serving

FLOW = """
additional_includes:
- ../shared
- ../lone.txt
inputs: {name: {type: string}}
outputs:
  code: {type: string, reference: "${read.output}"}
  prompt: {type: string, reference: "${say.output}"}
nodes:
- {name: read, use_variants: true}
- {name: say, type: prompt, source: {type: code, path: shared/say.jinja2}, inputs: {name: "${inputs.name}"}}
node_variants:
  read:
    default_variant_id: plain
    variants:
      plain: {node: {type: python, source: {type: code, path: shared/read.py}, inputs: {name: "${inputs.name}"}}}
      loud: {node: {type: python, source: {type: code, path: loud.py}, inputs: {name: "${inputs.name}"}}}
"""
READ = """
from pathlib import Path
from promptflow.core import tool
import shared.words

@tool
def read(name: str) -> str:
    return f"{shared.words.HELLO} {Path(name).read_text()} {(Path(__file__).parent / 'words.py').exists()}"
"""
LOUD = "from promptflow.core import tool\n\n@tool\ndef loud(name):\n    return name.upper()\n"


def write(folder: Path) -> Path:
    files = {
        "flow/flow.dag.yaml": FLOW,
        "flow/own.txt": "own",
        "flow/loud.py": LOUD,
        "shared/read.py": READ,
        "shared/words.py": "HELLO = 'hello'\n",
        "shared/say.jinja2": "say {{name}}",
        "lone.txt": "lone",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "flow"


def test_files_of_the_flow_and_included_ones_are_found(tmp_path: Path) -> None:
    flow = write(tmp_path / "made")
    before = sorted(path.name for path in flow.iterdir())
    with serving(flow, "--workers", "1", environment={"TMPDIR": str(tmp_path)}) as server:
        answers = [server.score({"name": name}).json for name in ("own.txt", "lone.txt")]
        title = server.ask("GET", "/swagger.json").json
        server.stop()
    assert answers == [{"code": f"hello {name} True", "prompt": f"say {name}.txt"} for name in ("own", "lone")]
    assert isinstance(title, dict)
    assert title["info"]["title"] == "Promptflow[flow] API"
    assert sorted(path.name for path in flow.iterdir()) == before
    assert not list(tmp_path.glob("pfserve-includes-*"))


def test_a_variant_can_be_chosen(tmp_path: Path) -> None:
    flow = write(tmp_path / "made")
    with serving(flow, "--workers", "1", "--variant", "${read.loud}", environment={"TMPDIR": str(tmp_path)}) as server:
        assert server.score({"name": "own"}).json == {"code": "OWN", "prompt": "say own"}
