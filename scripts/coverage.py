"""Tells what a report of llvm-cov says of src/: each room's lines, and every line of the core that no test came by.
Fails where the core has less than 95 %, or where docs/coverage.md does not name a file that has lines left.

usage: coverage.py REPORT.lcov
"""

import collections
import pathlib
import re
import sys

WANTED = 95.0
PAGE = pathlib.Path("docs/coverage.md")


def hits(report: str) -> dict[str, dict[int, int]]:
    """How often each line of a file of src/ was run."""
    files = {}
    for record in report.split("end_of_record"):
        source = re.search(r"^SF:.*?/(src/.*)$", record, re.M)
        # The unit tests themselves are no part of what they test.
        if not source or re.search(r"/tests(\.rs|/)", source[1]):
            continue
        lines = {int(line): int(count) for line, count in re.findall(r"^DA:(\d+),(\d+)", record, re.M)}
        files[source[1]] = {line: count for line, count in lines.items() if line not in tests_in(source[1])}
    return files


def tests_in(file: str) -> set[int]:
    """The lines of modules that are there for tests alone."""
    inside, lines = False, set()
    before = ""
    for number, line in enumerate(pathlib.Path(file).read_text().splitlines(), 1):
        inside = inside or (before == "#[cfg(test)]" and line.endswith("{"))
        if inside:
            lines.add(number)
            inside = line != "}"
        before = line
    return lines


def left(lines: dict[int, int]) -> list[str]:
    """The lines that were not run, as ranges: one goes on until a line that was."""
    ranges, last = [], False
    for line, count in sorted(lines.items()):
        if count == 0 and last:
            ranges[-1][1] = line
        elif count == 0:
            ranges.append([line, line])
        last = count == 0
    return [str(first) if first == end else f"{first}-{end}" for first, end in ranges]


def percent(files: list[dict[int, int]]) -> tuple[int, int, float]:
    counts = [count for lines in files for count in lines.values()]
    run = sum(count > 0 for count in counts)
    return len(counts), run, 100 * run / max(1, len(counts))


def main() -> None:
    files = hits(pathlib.Path(sys.argv[1]).read_text())
    rooms = collections.defaultdict(list)
    for file, lines in files.items():
        rooms[pathlib.Path(file).parts[1].removesuffix(".rs")].append(lines)
    command = rooms.pop("cli") + rooms.pop("main")

    print(f"{'room':12} {'lines':>6} {'run':>6} {'%':>6}")
    core = [lines for room in rooms.values() for lines in room]
    for room, some in [*sorted(rooms.items()), ("the core", core), ("the command", command)]:
        if any(some):
            print("{:12} {:6} {:6} {:6.1f}".format(room, *percent(some)))

    print("\nleft in the core:")
    open_files = set()
    for file, lines in sorted(files.items()):
        if not file.startswith(("src/cli/", "src/main.rs")) and left(lines):
            open_files.add(file)
            print(f"  {file}: {', '.join(left(lines))}")

    named = set(re.findall(r"^\| `(src/\S+)` \|", PAGE.read_text(), re.M))
    for file in sorted(named - open_files):
        print(f"{PAGE} names {file}, where none are left")
    complaints = [f"{PAGE} does not say why lines are left in {file}" for file in sorted(open_files - named)]
    if percent(core)[2] < WANTED:
        complaints.append(f"the core has less than {WANTED:.0f} %")
    sys.exit("\n".join(f"coverage: {complaint}" for complaint in complaints) or None)


main()
