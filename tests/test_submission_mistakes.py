"""Mistakes of a first-time submitter: each error names the place and what to write instead."""

from __future__ import annotations

from dataclasses import make_dataclass
from pathlib import Path
from types import NoneType, SimpleNamespace

import msgspec
import numpy as np
import pytest

from harness.submission import folder, template
from harness.submission.sizes import check_sizes
from harness.submission.submission import Submission
from repro.claim.catalogue import Catalogue
from repro.errors import ReproError
from repro.record.store import Store
from repro.trial import implementation
from tests import factory
from tests.toy import REFERENCE, SUBMISSION, write_project, write_submission

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A toy project of its own, with cache and store inside."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path)


def tried(project: Path) -> str:
    """What loading the submission for judging says is wrong."""
    with pytest.raises(ReproError) as raised:
        Submission.at(project / "mine", project).audited()
    return f"{raised.value.problem}\n{raised.value.remedy}"


START = "See docs/reference/submission.schema.json, or start from `repro submission new PAPER NAME`."
ALONE = (
    "A submission stands on its own: of Repro it sees repro.task only. Copy what you build on; functions shared with "
    "the reference are counted and shown."
)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("license", "licence", "Unknown key of submission.toml 'licence'\nDid you mean license?"),
        (
            'authors = ["A. Walker"]\n',
            "",
            f'submission.toml has no authors; it should be a list of names, such as ["Ada Lovelace"]\n{START}',
        ),
        (
            '"open"',
            '"opened"',
            'submission.toml: division should be "closed" or "open" '
            f"(division: invalid enum value 'opened')\n{START}",
        ),
        (
            '"open"',
            "open",
            "submission.toml is not valid TOML: Invalid value (at line 7, column 12)\n"
            "Texts need quotes, lists brackets.",
        ),
        ("toy2020", "toy2002", "Unknown paper 'toy2002'\nDid you mean toy2020?"),
        (
            '"open"',
            '"open"\nclaims = ["drift-carry"]',
            "Unknown claim of toy2020 'drift-carry'\nDid you mean drift-carries?",
        ),
        (
            '"open"',
            '"open"\n[limits]\nmemory_bytes = 1_000_000_000_000',
            "submission.toml asks for memory_bytes = 1,000,000,000,000, "
            "and this harness grants at most 68,719,476,736\n"
            "Ask for less under [limits], or leave memory_bytes out.",
        ),
    ],
    ids=["misspelt key", "missing key", "wrong division", "not TOML", "unknown paper", "unknown claim", "too much"],
)
def test_mistakes_in_the_manifest_are_said_word_for_word(project, old, new, says):
    """A first-time submitter is told what is wrong in submission.toml and what to write instead."""
    assert old in SUBMISSION
    write_submission(project, toml=SUBMISSION.replace(old, new))
    assert tried(project) == says


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "def simulate",
            "def simulation",
            "implementation.py does not define simulate\n"
            "The contract of toy2020 asks for CONFIGS, simulate: see repro/task.py and the paper's claims.",
        ),
        (
            "import numpy as np",
            "import numpy as np\nfrom reference.toy2020 import simulate",
            f"implementation.py, line 11, imports reference.toy2020, which is not in the jail\n{ALONE}",
        ),
        (
            "import numpy as np",
            "import numpy as np\nfrom repro import data",
            f"implementation.py, line 11, imports repro.data, which is not in the jail\n{ALONE}",
        ),
        ("CONFIGS = {", "CONFIGS = {{", "implementation.py is not valid Python: line 19: '{' was never closed\n"),
        (
            '"still": Config(drift=0.0)',
            "",
            "Unknown preset of toy2020 (submission:mine) 'still'\nKnown: walk",
        ),
        (
            '{"walk": Config(), "still": Config(drift=0.0)}',
            '{"walk": {"drift": 1.0}, "still": {}}',
            "submission mine: CONFIGS['walk'] is dict, not a frozen dataclass\n"
            "Give each preset as an instance of your Config, with numbers and texts as fields.",
        ),
        (
            "default_rng([seed, int(10 * config.drift)])",
            "default_rng(7)",
            "submission mine failed an audit, another seed, another result: simulate: the same to the last bit at "
            "another seed; it ignores its seed\n"
            "`repro submission check` shows all; nothing is scored before they pass.",
        ),
    ],
    ids=["name", "reference", "suite", "syntax", "preset", "config", "seed"],
)
def test_mistakes_in_the_code_are_said_word_for_word(project, old, new, says):
    """A first-time submitter is told what is wrong in implementation.py and what to write instead."""
    assert old in REFERENCE
    write_submission(project, source=REFERENCE.replace(old, new))
    assert tried(project) == says


@pytest.mark.parametrize("added", ["a = 1" + "+1" * 3000, "a = " + "-" * 9000 + "1"])
def test_code_that_no_parser_takes_is_one_error(project, added):
    """Python's own parser and compiler give up in several ways on what is nested too deeply."""
    write_submission(project, source=f"{added}\n{REFERENCE}")
    assert tried(project).startswith(
        "implementation.py is nested too deeply, or not in the encoding that it declares\n"
    )


@pytest.mark.parametrize("value", ["[" * 5000, "{a=" * 5000, "9" * 5000], ids=["lists", "tables", "digits"])
def test_a_manifest_that_no_parser_takes_is_one_error(project, value):
    """Python's TOML reader gives up on these with errors that are not its own."""
    write_submission(project, toml=f"schema = {value}\n")
    assert tried(project).startswith("submission.toml is nested too deeply, or has a number of too many digits\n")


def test_what_the_code_raises_is_said_with_its_line(project):
    """A package that is not there fails the first audit, with the line, and what was printed is shown."""
    write_submission(project, source=REFERENCE.replace("import numpy as np", "import numpy as np\nimport tensorflow"))
    found = tried(project)
    assert found.startswith(
        "submission mine raised ModuleNotFoundError: No module named 'tensorflow' (implementation.py, line 11)\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("submission.toml", None, "mine has no submission.toml"),
        ("implementation.py", None, "mine has no implementation.py"),
        ("weights.pt", b"\0\1", "weights.pt is not a text file of a known kind (.md, .py, .toml, .txt)"),
        ("notes.txt", b"\0\1", "notes.txt is not text in UTF-8"),
        ("notes.txt", b"a" * (1 << 20), "mine has more than 50 files or 1 MiB"),
        ("more/deep.sh", b"", "more/deep.sh is not a text file of a known kind (.md, .py, .toml, .txt)"),
    ],
)
def test_a_folder_holds_small_texts_only(project, name, content, says):
    """What is missing, binary or too large is named."""
    mine = write_submission(project)
    (mine / name).parent.mkdir(exist_ok=True)
    if content is None:
        (mine / name).unlink()
    else:
        (mine / name).write_bytes(content)
    assert tried(project).splitlines()[0] == says


def test_what_tools_and_habits_leave_is_no_part_of_it(project):
    """Licences, caches, attributes, byte-order marks and line ends of Windows change neither check nor digest."""
    mine = write_submission(project)
    before = folder.read(mine, project)
    for name in ("LICENSE", ".gitattributes", "._implementation.py", ".pytest_cache/CACHEDIR.TAG"):
        (mine / name).parent.mkdir(exist_ok=True)
        (mine / name).write_bytes(b"\0\5\26\7")
    for name in ("submission.toml", "implementation.py"):
        data = (mine / name).read_bytes()
        (mine / name).write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    assert folder.read(mine, project).files == before.files
    assert folder.read(mine, project).digest == before.digest
    assert folder.read(mine, project).manifest == before.manifest


@pytest.mark.parametrize("target", ["/etc/passwd", "implementation.py", "nowhere"])
def test_links_are_refused(project, target):
    """A symbolic link is refused wherever it leads, to a file or to a folder."""
    mine = write_submission(project)
    (mine / "link.py").symlink_to(target)
    assert tried(project).startswith("link.py is a symbolic link")
    (mine / "link.py").unlink()
    (mine / "folder").symlink_to("/etc", target_is_directory=True)
    assert tried(project).startswith("folder is a symbolic link")


def test_a_missing_folder_says_how_to_make_one(project):
    """A path that is no folder is answered with the command that makes one."""
    with pytest.raises(ReproError, match=r"no submission folder .*nothing. Make one with `repro submission new"):
        folder.read(project / "nothing", project)


def test_the_closed_division_keeps_the_papers_presets(project):
    """A preset that differs from the reference's is refused in the closed division, and named; open, it is taken."""
    changed = REFERENCE.replace("steps: int = 50", "steps: int = 60")
    write_submission(project, source=changed, toml=SUBMISSION.replace('"open"', '"closed"'))
    assert tried(project).splitlines() == [
        "CONFIGS['still'].steps is 60, and the reference's is 50",
        'The closed division keeps the paper\'s protocol: take its value, or set division = "open".',
    ]
    write_submission(project, source=changed)
    assert Submission.at(project / "mine", project).presets() == "all that 5 claims use are there"


CONTRACTS = {key: module.CONTRACT for key, module in Catalogue(ROOT).modules.items() if hasattr(module, "CONTRACT")}


@pytest.mark.parametrize("paper", CONTRACTS)
def test_sizes_are_bounded_in_every_contract(paper):
    """A whole number, a tuple or a text of a preset that is far larger than the reference's is refused, and named."""
    contract, original = CONTRACTS[paper], implementation.reference(paper, ROOT)
    for preset, overrides in {contract.preset: contract.overrides, **contract.counted}.items():
        config = original.config(preset, overrides)
        check_sizes("mine", config, config)
        for name, value in vars(config).items():
            if isinstance(value, int | str | tuple | NoneType) and not isinstance(value, bool):
                for large in (10**9, -(10**9), ((3, (10**9,)),)):
                    with pytest.raises(ReproError, match=rf"mine\.{name} has the size"):
                        check_sizes("mine", SimpleNamespace(**{**vars(config), name: large}), config)


@pytest.mark.parametrize(
    "large", ["x" * 65, (0,) * 65, {"a": 65}, np.zeros(65)], ids=["text", "tuple", "dict", "array"]
)
def test_lengths_are_sizes(large):
    """Texts, tuples and arrays are as large as they are long."""
    made = make_dataclass("Known", ["a"])
    with pytest.raises(ReproError, match=r"mine\.a has the size 65; at most 64 is taken"):
        check_sizes("mine", made(large), made(3))


def test_a_size_is_refused_before_it_is_used(project):
    """In the open division too, before an audit; also as a float."""
    for steps, says in (
        ("12_000_000", "has the size 12,000,000; at most 800 is taken"),
        ("1e9", "a whole number is due"),
    ):
        changed = REFERENCE.replace("steps: int = 50", f"steps: float = {steps}")
        assert changed != REFERENCE
        write_submission(project, source=changed)
        assert says in tried(project)


@pytest.mark.parametrize(
    "name",
    [
        "reference",
        "ref-erence",
        "r3f3r3nc3",
        "r\u0435ference",
        "",
        "\u202eecnerefer",
        "reference\u200f",
        "mine\\n",
        "-mine",
    ],
    ids=ascii,
)
def test_a_submission_is_not_called_like_the_reference(project, name):
    """Nor by what is no name: neither in a manifest, nor for a new folder, nor in a record that arrives."""
    write_submission(project, toml=SUBMISSION.replace('name = "mine"', f'name = "{name}"'))
    assert "name" in tried(project)
    text = name.replace("\\n", "\n")
    with pytest.raises(ReproError, match="will not do as the name of a submission"):
        template.new("toy2020", project / "new" / text if text else Path("/"), project)
    pytest.importorskip("starlette", reason="the service needs the extra `board`")
    from leaderboard.api.answers import RefusedRequest
    from leaderboard.api.ingest import Intake

    door = Intake(Store(project / "board"))
    door._admit(factory.degrades(submission="honest"))
    forged = factory.degrades(submission="honest")
    forged = msgspec.structs.replace(forged, implementation=msgspec.structs.replace(forged.implementation, name=text))
    with pytest.raises(RefusedRequest, match="of a submission that is called"):
        door._admit(forged)
