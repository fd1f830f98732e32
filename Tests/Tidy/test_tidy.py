"""The rules of this repository that a machine can hold to. A line may carry its reason: `// why: …` after a crash
operator says why it can't be reached."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP_LEVEL = {"Package.swift", "Sources", "Tests", "Migrations", "openapi.yaml", "docker-compose.yml", "README.md",
             "Dockerfile", "Makefile", "docs", "Examples", "Benchmarks", "LICENSE"}
PROGRAMS = ["smile-server", "smile-migrate", "smile-admin"]
# Data, not text that somebody wrote.
GENERATED = (".csv", ".jsonl", ".ndjson", ".pdf", ".png", ".jpg", ".http", "requirements.txt")


def tracked(*patterns):
    """The repository's files: what git knows, and what is new and not ignored."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def swift(*folders):
    return [path for folder in folders for path in tracked(f"{folder}/*.swift")]


def without_comments(text):
    """Swift text with comments and string contents blanked, lines kept, so that words in them don't count."""
    pattern = re.compile(r'"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*[\s\S]*?\*/')
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def offences(paths, pattern, prepare=without_comments, allow=None):
    found = []
    for path in paths:
        text = path.read_text()
        originals = text.splitlines()
        for number, line in enumerate(prepare(text).splitlines(), 1):
            if re.search(pattern, line) and not (allow and re.search(allow, originals[number - 1])):
                found.append(f"{path.relative_to(ROOT)}:{number}: {originals[number - 1].strip()}")
    return found


def verbatim(text):
    return text


def test_the_product_needs_no_package():
    assert offences([ROOT / "Package.swift"], r"\.package\s*\(") == []


def test_nothing_in_the_product_crashes_on_purpose():
    """A trap ends a worker and every request in it."""
    pattern = r"\btry!|\bas!|\bfatalError\s*\(|\bpreconditionFailure\s*\(|-Ounchecked|unowned\(unsafe\)"
    assert offences(swift("Sources"), pattern, allow=r"// why:") == []


def test_no_check_is_switched_off():
    flags = r"-Ounchecked|-remove-runtime-asserts|-assert-config|-enforce-exclusivity=unchecked"
    assert offences([ROOT / "Package.swift", ROOT / "Makefile", ROOT / "Dockerfile"], flags, verbatim) == []


def test_no_floating_point_near_money():
    assert offences(swift("Sources/SocialSecurity"), r"\b(Double|Float|CGFloat)\b") == []


def test_the_product_has_two_clocks_and_no_third():
    """Business time is smile.now(), security time smile.security_now(); in SQL too. Swift's own serves the log."""
    assert offences(swift("Sources/SocialSecurity"), r"\bDate\(\)|(?<!smile)(?<!\.)\bnow\(\)",
                    allow="static func now") == []
    sql = [path for path in tracked("Migrations/*.sql")]
    pattern = r"(?i)(?<![._\w])now\(\)|\bcurrent_(date|timestamp|time)\b|\blocaltimestamp\b|\bstatement_timestamp\b"
    assert offences(sql, pattern, without_sql_comments) == []


def without_sql_comments(text):
    return re.sub(r"--[^\n]*", "", text)


def test_foundation_stays_out():
    """Full Foundation brings 44 MB of ICU; tests may use FoundationEssentials."""
    assert offences(swift("Sources"), r"^\s*(@\w+\s+)*import Foundation") == []
    assert offences(swift("Tests"), r"^\s*(@\w+\s+)*import Foundation(?!Essentials)") == []


def test_c_libraries_are_named_in_one_place_each():
    paths = [path for path in swift("Sources") if path.name != "LibPQ.swift"]
    assert offences(paths, r"\bPQ[a-z]\w+\s*\(|\bimport CLibPQ\b") == []
    paths = [path for path in swift("Sources") if "/Crypto/" not in str(path)]
    assert offences(paths, r"\b(EVP|RAND|HMAC|SSL|BIO)_\w+\s*\(|\bimport CLibCrypt") == []


def test_no_select_star():
    """A new column must not travel by itself. `FROM (VALUES …)` names its columns, `INTO` fills a row variable, and
    `x.*` in a subquery leaves the choice to the query around it."""
    paths = tracked("Sources/*.swift", "Migrations/*.sql")
    found = offences(paths, r"(?i)\bselect\s+\*", without_sql_comments, allow=r"(?i)from \(values|\* into\b")
    assert found == []


def test_nothing_is_left_for_later():
    words = r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b|\bnot implemented\b|\bunimplemented\b"
    paths = [p for p in tracked("Sources", "Tests", "Migrations", "openapi.yaml", "docs", "Makefile", ".make")
             if p.suffix not in GENERATED and p != pathlib.Path(__file__).resolve()]
    assert offences(paths, words, verbatim) == []


def test_no_test_is_switched_off():
    paths = [path for path in tracked("Tests/*.swift", "Tests/*.py") if path != pathlib.Path(__file__).resolve()]
    switched_off = r"\.disabled\(|XCTSkip|withKnownIssue|pytest\.mark\.(skip|xfail)|pytest\.skip\("
    assert offences(paths, switched_off, verbatim) == []


def test_files_and_lines_are_short():
    """Rows of data and conversations may be as wide as their data, a file of black-box tests as long as its subject."""
    paths = [p for p in tracked("Sources", "Tests", "Migrations", "Benchmarks", "Examples", ".make", "Makefile")
             if not p.name.endswith(GENERATED)]
    long_files, long_lines = [], []
    for path in paths:
        lines = path.read_text(errors="replace").splitlines()
        if len(lines) > 400 and path.suffix in (".swift", ".py") and not path.name.startswith("test_"):
            long_files.append(f"{path.relative_to(ROOT)}: {len(lines)} lines")
        long_lines += [f"{path.relative_to(ROOT)}:{number}: {len(line)} columns"
                       for number, line in enumerate(lines, 1)
                       if len(line) > 120 and not (path.suffix == ".sql" and line.lstrip().startswith("("))]
    assert long_files == [] and long_lines == []


def test_the_top_level_is_the_agreed_one():
    top = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in top if not name.startswith(".")} - TOP_LEVEL == set()


def test_the_two_commands_are_told():
    readme = (ROOT / "README.md").read_text()
    assert "make run" in readme and "make test" in readme
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", PROGRAMS)
def test_release_programs_are_small_and_stand_alone(name):
    """Static Swift, no Foundation, stripped, under 15 MB."""
    program = ROOT / ".build" / "release" / name
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"libswift|Foundation|icu", libraries, re.I), libraries
    assert program.stat().st_size < 15_000_000
    sections = subprocess.run(["readelf", "--section-headers", "--wide", program], capture_output=True, text=True,
                              check=True).stdout
    assert ".symtab" not in sections, "not stripped"
