"""The Python of the documentation runs as it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Tree

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("README.md", "crates/python/README.md")
# What a reader has and the page does not show.
NAMES = {"train_one_epoch": lambda: sum(x * x for x in range(10_000))}


def _programs(page: str) -> list[tuple[str, int, str]]:
    """The page, the line, and the text of each block marked `python`."""
    programs = []
    block: list[str] | None = None
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        if line == "```python":
            block, start = [], number
        elif line == "```" and block is not None:
            programs.append((page, start, "\n".join(block)))
            block = None
        elif block is not None:
            block.append(line)
    return programs


def test_every_page_shows_a_program() -> None:
    assert all(_programs(page) for page in PAGES)


@pytest.mark.parametrize(
    ("page", "line", "program"),
    [pytest.param(*program, id=f"{program[0]}:{program[1]}") for page in PAGES for program in _programs(page)],
)
def test_a_program_of_the_documentation(
    page: str, line: int, program: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # The block's lines have the numbers of the page.
    exec(compile("\n" * line + program, page, "exec"), dict(NAMES))
