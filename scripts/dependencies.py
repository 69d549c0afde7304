#!/usr/bin/env python3
"""Prints docs/dependencies.md as it has to be: every crate of the wasm module, from cargo's own view of it. What a person
wrote is taken from the file that is there: its prose, and why each direct dependency is wanted.

    python3 scripts/dependencies.py >/tmp/new && mv /tmp/new docs/dependencies.md
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path("docs/dependencies.md")
TARGET = "wasm32-wasip1"
# The tables, by the headings that they stand under.
DIRECT, CARRIED, BUILD = "## Asked for", "## Carried along", "## In the build alone"


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked"], check=True, capture_output=True, text=True).stdout


def tree(edges):
    """Who needs whom: the children of each package, `name version`, along these kinds of edges."""
    children, above = collections.defaultdict(set), []
    for line in cargo("tree", "--target", TARGET, "--edges", edges, "--prefix", "depth").splitlines():
        found = re.match(r"(\d+)(\S+) v(\S+)", line)
        if not found:  # the heading of a section
            continue
        depth, package = int(found[1]), f"{found[2]} {found[3]}"
        del above[depth:]
        if above:
            children[above[-1]].add(package)
        above.append(package)
    return children


def below(children, root):
    """All that a package needs, itself apart."""
    seen, ahead = set(), [root]
    while ahead:
        for child in children[ahead.pop()] - seen:
            seen.add(child)
            ahead.append(child)
    return seen


def unsafe(manifest):
    """Whether the crate forbids unsafe code, or else writes the word, comments apart, in any of its sources."""
    has = False
    for file in sorted(pathlib.Path(manifest).parent.glob("src/**/*.rs")):
        text = re.sub(r"//.*", "", file.read_text(errors="replace"))
        if file.name == "lib.rs" and file.parent.name == "src" and re.search(r"#!\[forbid\([^)]*unsafe_code", text):
            return "forbidden"
        has = has or re.search(r"\bunsafe\b", text)
    return "some" if has else "none"


def reasons(text):
    """Why each direct dependency is wanted: the last cell of its row."""
    rows = re.findall(r"^\| `(\S+)` \|.*\| ([^|]*) \|$", text.split(DIRECT)[1].split("\n## ")[0], re.M)
    return dict(rows)


def main():
    page = PAGE.read_text()
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    package = {f"{each['name']} {each['version']}": each for each in packages}
    root = next(f"{each['name']} {each['version']}" for each in packages if each["source"] is None)

    in_module, in_all = tree("normal,no-proc-macro"), tree("normal,build")
    carried = below(in_module, root)
    direct = in_module[root]
    build = below(in_all, root) - carried
    parents = collections.defaultdict(set)
    for parent, children in in_all.items():
        for child in children:
            parents[child].add(parent.split()[0])

    def name(key):
        """With the version, as far as another one would not be compatible, only where there are two of the crate."""
        crate, version = key.split()
        twice = sum(other.split()[0] == crate for other in carried | build) > 1
        return f"`{crate} {re.match('(?:0[.])*[0-9]+', version)[0]}`" if twice else f"`{crate}`"

    def row(key, last):
        licence = package[key]["license"].replace("/", " OR ")
        return f"| {name(key)} | {licence} | {unsafe(package[key]['manifest_path'])} | {last} |"

    def brought(key):
        return ", ".join(f"`{parent}`" for parent in sorted(parents[key]))

    why = reasons(page)
    missing = [key.split()[0] for key in sorted(direct) if not why.get(key.split()[0])]
    if missing:
        sys.exit(f"dependencies.py: {PAGE} does not say why: {', '.join(missing)}")
    tables = {
        DIRECT: ("why", [row(key, why[key.split()[0]]) for key in sorted(direct)]),
        CARRIED: ("for", [row(key, brought(key)) for key in sorted(carried - direct)]),
        BUILD: ("for", [row(key, brought(key)) for key in sorted(build)]),
    }
    for heading, (last, rows) in tables.items():
        table = "\n".join([f"| crate | licence | unsafe code | {last} |", "|---|---|---|---|", *rows])
        before, after = page.split(heading + "\n")
        after = re.sub(r"(?:^\|.*\n)+", lambda _: table + "\n", after, count=1, flags=re.M)
        page = f"{before}{heading}\n{after}"
    sys.stdout.write(page)


main()
