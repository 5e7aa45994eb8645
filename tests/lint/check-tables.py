#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Checks the tables (*.def): each row is used, a manual tells those that people
# meet, and order is kept where a table says that it is.
#
# In: the source tree.  Out: a sentence for each row that is wrong; exit status
# 0 if there is none.  Runs in: run-lint.
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

# Whose names people meet, and the document that tells them all.
DOCUMENTED = {
    "lib/rfc5424-params.def": "docs/formats.md",
    "lib/rule-actions.def": "docs/rules.md",
    "lib/tlv.def": "docs/man/log_tunnel.7",
    "ovs-ext/sluice/lib/drop-reasons.def": "docs/man/log_tunnel.7",
    "proxy-vm/common/context-verbs.def": "docs/man/sluicectl.8",
    "proxy-vm/common/control-verbs.def": "docs/man/sluicectl.8",
    "proxy-vm/common/spool-verbs.def": "docs/man/sluicectl.8",
    "proxy-vm/context/libvirt-keys.def": "docs/context.md",
    "proxy-vm/ctl/top.def": "docs/man/sluicectl.8",
}
# Names that stand behind another, which is the one that is used.
BY_PLACE = re.compile(r"COMMITS_\d+MS")
# MACRO(FIRST, second, ...) at the beginning of a line.
ROW = re.compile(r'^([A-Z][A-Z0-9_]*)\(("?[\w-]+"?)(?:,\s*("?[\w-]+"?))?',
                 re.MULTILINE)


def sources():
    for folder in ("lib", "ovs-ext", "proto", "proxy-vm", "tests"):
        for path in sorted((TOP / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".patch", ".proto", ".py"):
                yield path.read_text(errors="replace")


def rows(text):
    """Macro, symbol (or None) and name (or None) of each row."""
    for macro, first, second in ROW.findall(
            re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)):
        symbol = first if re.fullmatch(r"[A-Z_][A-Z0-9_]*", first) else None
        name = next((x.strip('"') for x in (first, second)
                     if re.fullmatch(r'"?[a-z][\w-]*"?', x)), None)
        yield macro, symbol, name, first


def complaints(path, text, endings):
    latest = {}
    document = DOCUMENTED.get(path)
    if document:
        document_text = (TOP / document).read_text().replace("\\-", "-")
    is_rising = "in rising order" in text
    for macro, symbol, name, first in rows(text):
        if symbol and symbol not in endings and not BY_PLACE.match(symbol):
            yield f"{macro}({symbol}) is used nowhere; take it away"
        if document and name and not re.search(
                rf"(?<![\w-]){re.escape(name)}(?![\w-])", document_text):
            yield f"{name} is not in {document}; tell there what it is"
        if is_rising and first.startswith("0x"):
            if int(first, 16) <= latest.get(macro, -1):
                yield f"{macro}({first}) is behind a larger one"
            latest[macro] = int(first, 16)


def main():
    endings = set()
    for word in re.findall(r"\b[A-Z][A-Z0-9_]*\b", "\n".join(sources())):
        parts = word.split("_")
        endings.update("_".join(parts[i:]) for i in range(len(parts)))
    tables = [path for folder in ("lib", "ovs-ext", "proxy-vm")
              for path in sorted((TOP / folder).rglob("*.def"))]
    n_bad = 0
    for path in tables:
        name = str(path.relative_to(TOP))
        for complaint in complaints(name, path.read_text(), endings):
            print(f"{name}: {complaint}")
            n_bad += 1
    sys.exit(n_bad > 0 or not tables)


main()
