import json
import random
from pathlib import Path

import pytest
from cli_world import Shell

from ledger.records.sketch import format_sketch, sketch_prompts


def test_a_file_of_prompts_becomes_the_sketch_of_a_statement(shell: Shell, tmp_path: Path) -> None:
    prompts = [f"Question {n}: 为什么?" for n in range(3_000)]
    lines = [json.dumps({"prompt": each, "id": n}) for n, each in enumerate(prompts)]
    lines += [json.dumps(each) for each in prompts[:50]] + [""]
    random.Random(3).shuffle(lines)
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    said = shell("sketch", path)
    made = format_sketch(sketch_prompts(prompts))
    assert said.status == 0
    assert json.loads(said.out) == {"hashes": list(made.hashes), "scale": made.scale}
    assert said.err == f"3050 prompts, {len(made.hashes)} hashes at scale {made.scale}\n"
    assert made.scale == 4


def test_the_scale_and_the_name_of_the_field_can_be_given(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"question":"a"}\n{"question":"b"}\n')
    out = shell.ok("sketch", path, "--scale", 1, "--field", "question")
    assert len(json.loads(out)["hashes"]) == 2
    assert json.loads(shell.ok("sketch", path, "--field", "question", "--scale", 2**32)) == {
        "hashes": [],
        "scale": 2**32,
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"prompt":"fine"}\nnot json secret\n', "line 2: not JSON$"),
        ("[1]", "line 1: neither a text nor an object$"),
        ('{"text":"secret"}', "line 1: no text called 'prompt' in the object; see --field$"),
        ('{"prompt":7}', "line 1: no text called 'prompt'"),
        ("[" * 200_000, "line 1: not JSON$"),
        ('"' + "a" * 2**22 + '"', "line 1: longer than 4194304 bytes$"),
    ],
    ids=["not-json", "list", "another-field", "number", "deep", "long"],
)
def test_what_is_no_file_of_prompts_is_refused_without_repeating_it(
    shell: Shell, tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(text)
    said = shell("sketch", path)
    said.refused(why)
    assert "secret" not in said.err
    shell("sketch", tmp_path / "absent").refused("No such file")
