#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Each command in the documents is run by a test, or it is said why not.  A
# block of the documents that has a command stands behind one of these marks,
# in a manual behind the same as a comment of roff:
#
#     <!-- run: WHERE -->       a test reads the block, and runs it as it stands
#     <!-- run by: TEST... -->  a test does the same with other names
#     <!-- not run: WHY -->
#
# In: the source tree.  Out: a sentence for each block without a mark, and for
# each mark that does not hold; exit status 0 if there is none.  With --list,
# the blocks that are not run, and why.  Runs in: run-lint.
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

# The test that runs the blocks of a WHERE.
RUNNERS = {
    "hv": "tests/system/test-docs.sh",
    "proxy": "tests/system/test-docs.sh",
    "install": "tests/system/test-docs.sh",
    "users": "tests/system/test-docs.sh",
    "host": "tests/system/systemd-service.py",
    "systemd": "tests/system/systemd-service.py",
    "libvirt": "tests/system/test-libvirt-bridge.sh",
    "virt-install": "tests/system/test-export.sh",
}
# What a line of a shell begins with, in documents that have other text too.
WORDS = re.compile(
    r"(?:\$ |sudo |[A-Z_]+=\S+ |runuser -u \S+ -- |\(umask \d+ && )*"
    r"(?:\./|[\w.-]+/)*"
    r"(?:apt-get|apt-mark|bench-redact|bench\.py|check-ovs|chmod|chown|curl"
    r"|docker|dpkg-deb|for|genisoimage|install|ip|kafka-[\w.-]+|kcat|make|make-deb"
    r"|make-ova|mkdir|od|openssl|ovs-appctl|ovs-ofctl|ovs-vsctl|ping|printf"
    r"|prepare-ovs|promtool|protoc|qemu-img|quickstart|runuser|sealed_bench\.py"
    r"|sh|sluice-[a-z-]+(?:\.py)?|sluicectl|sluiced|ssh|systemctl|test-\w+\.sh"
    r"|tshark|useradd|virsh|virt-install)(?= |$)(?! *[─-]+[>►])")
# What a test has otherwise, or need not have.
SHELL = {"for", "make", "mkdir", "printf", "sh"}


def documents():
    yield from (TOP / name for name in
                ("README.md", "CONTRIBUTING.md", "ovs-ext/README.md"))
    yield from sorted((TOP / "docs").glob("*.md"))
    yield from sorted((TOP / "docs/man").iterdir())


def blocks_of_markdown(lines):
    """The mark, the number of the first line, and the lines of each block."""
    mark, inside, block, first = "", False, [], 0
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            if inside:
                yield mark, first, block
                mark, block = "", []
            inside, first = not inside, number + 1
        elif inside:
            block.append(line.strip())
        elif re.match(r"    +\S", line):
            first = first if block else number
            block.append(line.strip())
        elif line.strip():
            if block:
                yield mark, first, block
                mark, block = "", []
            found = re.fullmatch(r"\s*<!-- (.*) -->", line)
            mark = found[1] if found else ""
    if block:
        yield mark, first, block


def blocks_of_roff(lines):
    mark, inside, block, first = "", False, [], 0
    for number, line in enumerate(lines, 1):
        found = re.match(r'\.\\" (.*)', line)
        text = line.replace("\\-", "-").replace("\\(aq", "'")
        if line.startswith(".Bd"):
            inside, first = True, number + 1
        elif line.startswith(".Ed"):
            yield mark, first, block
            mark, inside, block = "", False, []
        elif inside:
            block.append(text.strip())
        elif line.startswith(".Dl "):
            first = first if block else number
            block.append(text[4:].strip())
        else:
            if block:
                yield mark, first, block
                mark, block = "", []
            mark = found[1] if found else mark if line == ".Pp" else ""


def commands(block):
    """The commands of a block; what goes on in the next line is one."""
    text = "\n".join(block).replace("\\\n", " ")
    return [line for line in text.split("\n") if WORDS.match(line)]


def words_of(command):
    """What a test that runs the command has in it: the program, its options,
    and what sluicectl is to do."""
    program = WORDS.match(command)[0].split()[-1].rsplit("/", 1)[-1]
    rest = command.split(" #")[0][WORDS.match(command).end():]
    if program not in SHELL:
        yield program
        yield from re.findall(r"(?<= )--[a-z][a-z-]+", rest)
    if program == "sluicectl":
        yield from re.findall(r"^ [a-z]+(?: (?:test|list|show|export|replay"
                              r"|drop)\b)?", rest)[:1]


def says_it_is_run(path, mark, block):
    kind, _, rest = mark.partition(": ")
    if kind == "run":
        test = RUNNERS.get(rest)
        if not test:
            yield f"no test runs what is marked \"run: {rest}\""
        elif path.stem not in (TOP / test).read_text(encoding="utf-8"):
            yield f"{test} does not run this document"
    elif kind == "run by":
        text = ""
        for name in rest.split():
            if (TOP / name).is_file():
                text += (TOP / name).read_text(encoding="utf-8")
            else:
                yield f"there is no {name}"
        for word in (w for c in commands(block) for x in words_of(c)
                     for w in x.split()):
            if word not in text:
                yield f"{rest} has no {word}"
    elif kind == "not run":
        if len(rest) < 10:
            yield "it is not said why this is not run"
    else:
        yield f"is this run? \"{commands(block)[0]}\" has no mark"


def main():
    n_bad = n_blocks = 0
    for path in documents():
        text = path.read_text(encoding="utf-8").split("\n")
        blocks = (blocks_of_markdown if path.suffix == ".md"
                  else blocks_of_roff)
        name = path.relative_to(TOP)
        for mark, first, block in blocks(text):
            if not commands(block):
                continue
            n_blocks += 1
            if "--list" in sys.argv and mark.startswith("not run"):
                print(f"{name}:{first}: {mark}: {commands(block)}")
            for complaint in says_it_is_run(path, mark, block):
                print(f"{name}:{first}: {complaint}")
                n_bad += 1
    sys.exit(n_bad > 0 or n_blocks < 50)


main()
