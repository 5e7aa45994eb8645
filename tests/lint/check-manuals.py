#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Holds the manuals and documents against the programs: options, commands of
# sluicectl, keys of the configuration, metrics, reasons, members of JSON, and
# manuals themselves.  What a program has must be told, and what is told must
# be there.
#
# In: the source tree.  Out: a sentence for each that is amiss; exit status 0
# if there is none.  Runs in: run-lint.
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
MAN = TOP / "docs/man"

# Every program takes these, and need not say so in its summary; and those for
# logging are Open vSwitch's.
COMMON = {"--help", "--version"}
LOGGING = {"--verbose"}


def read(path):
    return (TOP / path).read_text(encoding="utf-8")


def names(path, macro):
    """The second argument of each row of 'macro'."""
    return re.findall(rf"^{macro}\(\w+,\s*\"?([\w-]+)\"?", read(path),
                      re.MULTILINE)


def strings(text):
    """What stands in quotation marks in C, put together where it is so."""
    text = text.replace("\\\n", " ")
    literal = r'"(?:[^"\\\n]|\\.)*"'
    for x in re.findall(rf"{literal}(?:\s*{literal})*", text):
        yield re.sub(r'"\s*"', "", x)


def documents():
    for path in [TOP / "README.md", TOP / "NEWS", TOP / "CONTRIBUTING.md",
                 *sorted((TOP / "docs").rglob("*"))]:
        if path.is_file():
            yield path, path.read_text(encoding="utf-8")


def plain(roff):
    return roff.replace("\\-", "-").replace("\\&", "")


# Options.

def programs():
    """Each source with options, and the manual of its program."""
    for path in sorted((TOP / "proxy-vm").rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        if "getopt_long(" in text:
            name = ("sluicectl" if path.parent.name == "ctl"
                    else path.stem)
            yield path.relative_to(TOP), text, f"{name}.8"


def ctl_options():
    return set(re.findall(r'^OPTION\(\w+, "([\w-]+)"',
                          read("proxy-vm/ctl/options.def"), re.MULTILINE))


def options_are_told():
    for path, text, manual in programs():
        taken = {"--" + name: value for name, value in re.findall(
            r'\{\s*"([\w-]+)",\s*\w+_argument,\s*NULL,\s*(\S+)\s*\}', text)}
        if path.parent.name == "ctl":
            taken.update({"--" + name: name for name in ctl_options()})
        roff = plain((MAN / manual).read_text(encoding="utf-8"))
        told = {"-" + x for line in roff.splitlines() if "Fl " in line
                for x in re.findall(r"(?<= )-[a-z][a-z-]*", line)}
        helped = {x for literal in strings(text)
                  for x in re.findall(r"(?<![\w-])--[a-z][a-z-]*", literal)}
        # Some have two names.
        helped_values = {taken[x] for x in helped if x in taken}
        for x in sorted(set(taken) - told):
            yield f"docs/man/{manual}: does not tell {x}"
        for x in sorted(told - set(taken) - LOGGING):
            yield f"docs/man/{manual}: the program has no {x}"
        for x in sorted(helped - set(taken) - LOGGING):
            yield f"{path}: speaks of {x}, which there is not"
        for x in sorted(set(taken) - COMMON):
            if taken[x] not in helped_values:
                yield f"{path}: the summary does not tell {x}"


# Commands of sluicectl.

def commands():
    ret = {f"{group} {name}".strip() for group, name in re.findall(
        r'^COMMAND\("(\w*)", "(\w+)"\)', read("proxy-vm/ctl/commands.def"),
        re.MULTILINE)}
    ret.update(names("proxy-vm/common/control-verbs.def", "VERB"))
    for group in ("spool", "context"):
        ret |= {f"{group} {name}" for name in names(
            f"proxy-vm/common/{group}-verbs.def", f"{group.upper()}_VERB")}
    return ret


def commands_are_told():
    there = commands()
    firsts = {x.split()[0] for x in there}
    manual = read("docs/man/sluicectl.8")
    told = {" ".join(x.split()[:2]) if x.split()[0] in ("spool", "context")
            or x.startswith("rules test") else x.split()[0]
            for x in re.findall(r"^\.It Cm ([a-z]+(?: [a-z]+)?)", manual,
                                re.MULTILINE)}
    for x in sorted(there - told):
        yield f"docs/man/sluicectl.8: does not tell the command {x}"
    for x in sorted(told - there):
        yield f"docs/man/sluicectl.8: there is no command {x}"
    taken = ctl_options() | {"help", "version"}
    for path, text in documents():
        for line in re.findall(r"\bsluicectl ((?:-{0,2}[\w=./,:-]+ ?)+)",
                               text):
            words = line.split()
            name = path.relative_to(TOP)
            for word in words:
                option = re.match(r"--([a-z-]+)", word)
                if option and option[1] not in taken:
                    yield f"{name}: sluicectl has no {option[0]}"
            if line.startswith("-") or not is_command_line(text, line):
                continue
            if words[0] not in firsts:
                yield f"{name}: there is no command \"sluicectl {words[0]}\""


def is_command_line(text, line):
    """Whether it is set as one: in prose "sluicectl prints" is none."""
    return re.search(r"(?:^|[`\"'$#|] ?|Ql |    |sudo )sluicectl "
                     + re.escape(line), text, re.MULTILINE)


# Keys of the configuration.

def keys():
    """Section and key of each row."""
    table = read("proxy-vm/common/proxy-config.def")
    names = re.findall(r"^(?:SECTION|LIST)\((\w+)|^SUBLIST\(\w+, (\w+)",
                       table, re.MULTILINE)
    for section in (a or b for a, b in names):
        for macro in (section.upper(), section.upper().rstrip("S")):
            for key in re.findall(rf"^{macro}\(\w+,\s*\"?([\w-]+)\"?", table,
                                  re.MULTILINE):
                yield section, key


def keys_are_there():
    there = set(keys())
    sections = {section for section, _ in there}
    names = {key for _, key in there} | sections
    # Files, and stages of the benchmark, are called likewise.
    files = (r"(?!(?:at|held|md|parts|queues|rx|sh|snapshot|stats|yaml)\b)")
    for path, text in documents():
        name = path.relative_to(TOP)
        if path.name == "performance.md":
            continue
        for section, key in re.findall(
                rf"(?<![\w./@-])({'|'.join(sorted(sections))})\."
                rf"{files}([a-z][a-z-]*[a-z])(?![\w./(])", plain(text)):
            if (section, key) not in there:
                yield f"{name}: there is no key {section}.{key}"
    example = "docs/sluice.yaml.example"
    for key in re.findall(r"^#?[ -]*([a-z-]+):(?: |$)", read(example),
                          re.MULTILINE):
        if key not in names:
            yield f"{example}: there is no key {key}"


# Metrics.

def metrics():
    ret = set(re.findall(r'"(sluice_[a-z_]+)"',
                         read("proxy-vm/metrics/metrics.def")
                         + read("proxy-vm/metrics/metrics.c")))
    for macro, kind in (("INTAKE", "intake"), ("TENANT", "tenant"),
                        ("SHIP", "ship")):
        for _, name, gauge, unit in re.findall(
                rf"^{macro}\((\w+), \"([\w-]+)\", (\w+), \"([\w ]+)\"",
                read("proxy-vm/common/counters.def"), re.MULTILINE):
            ret.add(f"sluice_{kind}_{name}_"
                    f"{'ratio' if unit == 'per cent' else unit}"
                    f"{'' if gauge == 'GAUGE' else '_total'}"
                    .replace("-", "_"))
    return ret


def metrics_are_told():
    there = metrics()
    manual = read("docs/man/sluice-metrics.8")
    patterns = [re.escape(x).replace(r"\*", ".*")
                for x in re.findall(r"sluice_[a-z_]+\*?", manual)]
    for x in sorted(there):
        if not any(re.fullmatch(p, x) for p in patterns):
            yield f"docs/man/sluice-metrics.8: does not tell {x}"
    there |= {x + suffix for x in there for suffix in
              ("_bucket", "_sum", "_count") if x.endswith("_duration_seconds")}
    for path, text in documents():
        for x in re.findall(r"\bsluice_[a-z]+_[a-z_]*\w\b(?!\*)", text):
            if x not in there and not x.startswith("sluice_test"):
                yield f"{path.relative_to(TOP)}: there is no metric {x}"
    for p in patterns:
        if not any(re.fullmatch(p, x) for x in there):
            yield f"docs/man/sluice-metrics.8: nothing is called {p}"


# Reasons.

def reasons_are_there():
    """Those that tables of the documents have in a column of that name."""
    there = set(re.findall(
        r'^(?:DROP|GAP|SLUICE_DROP_REASON)\(\w+,\s*"([\w-]+)"',
        "".join(read(x) for x in ("lib/drop.def", "lib/gap.def",
                                  "ovs-ext/sluice/lib/drop-reasons.def")),
        re.MULTILINE))
    for path, text in documents():
        for table in re.findall(r"^\| reason \|.*\n\|-.*\n((?:\|.*\n)*)", text,
                                re.MULTILINE):
            for cell in re.findall(r"^\|([^|]*)\|", table, re.MULTILINE):
                for x in re.findall(r"`([\w*-]+)`", cell):
                    pattern = x.replace("*", ".*")
                    if not any(re.fullmatch(pattern, y) for y in there):
                        yield (f"{path.relative_to(TOP)}: there is no reason "
                               f"{x}")


# What an operator may meet, and docs/troubleshooting.md tells.

def troubles_are_told():
    name = "docs/troubleshooting.md"
    document = read(name)
    words = set(re.findall(r"`([\w*-]+)`", document))
    patterns = [x.replace("*", ".*") for x in words]
    for macro, path in (("DROP", "lib/drop.def"),
                        ("SLUICE_DROP_REASON",
                         "ovs-ext/sluice/lib/drop-reasons.def")):
        for x in names(path, macro):
            if not any(re.fullmatch(p, x) for p in patterns):
                yield f"{name}: does not tell what to do about {x}"
    alerts = set(re.findall(r"- alert: (\w+)",
                            read("docs/prometheus/alerts.yml")))
    for x in sorted(alerts - words):
        yield f"{name}: does not tell the alert {x}"
    for x in sorted(x for x in words if x.startswith("Sluice")):
        if x not in alerts:
            yield f"{name}: there is no alert {x}"
    said = "\n".join(
        x for folder in ("proxy-vm", "lib", "ovs-ext/sluice")
        for path in sorted((TOP / folder).rglob("*.c"))
        for x in strings(re.sub(r'"\s*INTAKE_USER\s*"', "sluice-intake",
                                path.read_text(encoding="utf-8"))))
    table = document[document.index("| sentence |"):].splitlines()[2:]
    for sentence in (re.match(r"\| `([^`]*)`", x) for x in table):
        for part in sentence[1].split("..."):
            if part.strip(" ;():") not in said and "log_tunnel" not in part:
                yield f"{name}: no program says \"{part}\""


# Members of a line as JSON.

def members_are_told():
    text = read("lib/json-line.c")
    there = (set(re.findall(r'put_(?!literal)\w+\(&?o, "([a-z-]+)"',
                            text))
             | set(re.findall(r'\\"([a-z-]+)\\":', text)))
    document = read("docs/formats.md")
    section = document[document.index("## json"):document.index("## raw")]
    told = set(re.findall(r"`([a-z][a-z-]+)`", section))
    for x in sorted(there - told):
        yield f"docs/formats.md: does not tell the member {x}"
    columns = [cell for row in re.findall(r"^\| (`[^|]*) \|", section,
                                          re.MULTILINE)
               for cell in re.findall(r"`([a-z-]+)`", row)]
    for x in sorted(set(columns) - there):
        yield f"docs/formats.md: lib/json-line.c puts no member {x}"


# Manuals.

def manuals_are_there():
    there = {path.name.removesuffix(".in") for path in MAN.iterdir()}
    for path, text in documents():
        for name, section in (
                re.findall(r"\.Xr (sluice[\w.-]*|log_tunnel) (\d)", text)
                + re.findall(r"\b(sluice[\w.-]*|log_tunnel)\((\d)\)", text)):
            if f"{name}.{section}" not in there:
                yield (f"{path.relative_to(TOP)}: there is no manual "
                       f"{name}({section})")


# Links to headings.

def headings(text):
    """As GitHub makes names of them."""
    for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def headings_are_there():
    texts = {path.resolve(): text for path, text in documents()
             if path.suffix == ".md"}
    for path, text in texts.items():
        for file, heading in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            target = (path.parent / file).resolve() if file else path
            if heading not in headings(texts.get(target, "")):
                yield (f"{path.relative_to(TOP)}: there is no heading "
                       f"{file}#{heading}")


def main():
    n_bad = 0
    for check in (options_are_told, commands_are_told, keys_are_there,
                  metrics_are_told, reasons_are_there, troubles_are_told,
                  members_are_told, manuals_are_there, headings_are_there):
        for complaint in dict.fromkeys(check()):
            print(complaint)
            n_bad += 1
    sys.exit(n_bad > 0)


main()
