# SPDX-License-Identifier: Apache-2.0
"""What tests in Python have in common: conditions, waiting for them, and TAP.

A test is a function that takes a place, which is what its family of tests
needs, with a close().  Its name says what it shows.  It fails by an exception,
and is skipped by Skip or by returning why."""

import os
import time
import traceback

from ports import free_port     # For who takes it from here.

BUILD = os.environ.get("builddir", ".")
LIMIT_S = 60


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def wait_until(condition, what, seconds=LIMIT_S):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure("waited %d s in vain: %s" % (seconds, what))
        time.sleep(0.005)


def end_of_log(path, n_lines=10):
    """The last lines of a log, which may be missing, each with its name."""
    if not os.path.exists(path):
        return []
    with open(path, errors="replace") as f:
        return ["%s: %s" % (os.path.basename(path), line.rstrip())
                for line in f.readlines()[-n_lines:]]


def run_tests(tests, make, logs=()):
    """Runs each test with what 'make' returns.  'logs' are names of files in
    a place's directory whose end says why a test failed.  Returns the exit
    status."""
    n_failed = 0
    print("1..%d" % len(tests), flush=True)
    for i, test in enumerate(tests, 1):
        name = test.__name__.removeprefix("test_").replace("_", " ")
        place = make()
        try:
            skipped = test(place)
            print("ok %d - %s%s" % (i, name, " # SKIP " + skipped
                                    if skipped else ""), flush=True)
        except Skip as e:
            print("ok %d - %s # SKIP %s" % (i, name, e), flush=True)
        except Exception as e:      # Whatever it is, the others go on.
            n_failed += 1
            print("not ok %d - %s" % (i, name))
            why = (str(e) if isinstance(e, Failure)
                   else traceback.format_exc()).splitlines()
            for log in logs:
                why += end_of_log(place.path(log))
            print("".join("# %s\n" % line for line in why), end="",
                  flush=True)
        finally:
            place.close()
    return 1 if n_failed else 0
