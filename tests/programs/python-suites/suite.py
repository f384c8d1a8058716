# Runs one of python's own test modules and writes a line for each case: name, outcome, the traceback of what was wrong, CPU seconds.
#
# usage: suite.py MODULE RESULTS [-i PATTERN]... [-m PATTERN]...
# Patterns are those of fnmatch on "Class.test_name": -m cases to run (all, when there is none), -i cases to leave out.
# A line "name<TAB>begun" comes before each case, so that one that never ends is known.

import fnmatch
import importlib
import os
import struct
import sys
import traceback
import unittest

module_name, results_path, *rest = sys.argv[1:]
wanted = [b for a, b in zip(rest[::2], rest[1::2]) if a == "-m"]
unwanted = [b for a, b in zip(rest[::2], rest[1::2]) if a == "-i"]

from test import support

# Everything but what needs the outside world or a screen.
support.use_resources = ["audio", "largefile", "decimal", "cpu", "subprocess", "walltime"]
support.verbose = False

def forbid_threads():
    """From here on no process can start a thread, as under an emulator without: clone fails with EAGAIN."""
    import ctypes

    # struct seccomp_data: the number at 0, the architecture at 4, the low word of the first argument at 16.
    load, equal, set_, ret = 0x20, 0x15, 0x45, 0x06
    refuse, allow = 0x00050000, 0x7FFF0000
    program = [
        (load, 0, 0, 0),
        (equal, 0, 1, 435),  # clone3: not there (ENOSYS), then the C library takes clone
        (ret, 0, 0, refuse | 38),
        (equal, 0, 3, 120),  # clone
        (load, 0, 0, 16),
        (set_, 0, 1, 0x10000),  # CLONE_THREAD: EAGAIN
        (ret, 0, 0, refuse | 11),
        (ret, 0, 0, allow),
    ]
    filter_ = b"".join(struct.pack("=HBBI", *row) for row in program)
    buffer = ctypes.create_string_buffer(filter_)
    head = struct.pack("=HxxI", len(program), ctypes.addressof(buffer))
    if ctypes.CDLL(None, use_errno=True).prctl(22, 2, head, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


if os.environ.pop("SUITE_WITHOUT_THREADS", None):
    forbid_threads()

# A high number, so that descriptors are numbered as without it; children do not inherit it.
import fcntl

plain = os.open(results_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
results = fcntl.fcntl(plain, fcntl.F_DUPFD_CLOEXEC, 200)
os.close(plain)
owner = os.getpid()


def write(*fields):
    line = "\t".join(str(field).replace("\t", " ").replace("\n", " ") for field in fields)
    # A case that goes on in a forked child must not speak for the parent.
    if os.getpid() == owner:
        os.write(results, (line + "\n").encode("utf-8", "backslashreplace"))


def name_of(test):
    name = test.id()
    prefix = "test.%s." % module_name
    return name[len(prefix):] if name.startswith(prefix) else name


def cpu_time():
    """Seconds of CPU, with those of children that have been waited for."""
    return sum(os.times()[:4])


class Results(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.outcomes = []
        self.before = cpu_time()
        write(name_of(test), "begun")

    def note(self, outcome, error=None):
        text = ""
        if isinstance(error, str):
            text = error
        elif error is not None:
            text = "".join(traceback.format_exception_only(error[0], error[1])).strip()
            if outcome in ("ERROR", "FAIL"):
                text = "".join(traceback.format_exception(*error)).replace("\n", "\\n")
        self.outcomes.append((outcome, text))

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note("ok")

    def addError(self, test, err):
        super().addError(test, err)
        if not isinstance(test, unittest.TestCase):
            write(name_of(test), "ERROR", "".join(traceback.format_exception_only(*err[:2])).strip())
            return
        self.note("ERROR", err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note("FAIL", err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if not hasattr(self, "outcomes") or not isinstance(test, unittest.TestCase):
            write(name_of(test), "skipped", reason)
            return
        self.note("skipped", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note("expected failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note("unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note("FAIL" if issubclass(err[0], test.failureException) else "ERROR", err)

    def stopTest(self, test):
        super().stopTest(test)
        outcomes = self.outcomes
        write(name_of(test), " + ".join(o for o, _ in outcomes) or "nothing", " | ".join(t for _, t in outcomes if t), "%.2f" % (cpu_time() - self.before))


def cases(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from cases(one)
        else:
            name = name_of(one)
            if wanted and not any(fnmatch.fnmatchcase(name, p) for p in wanted):
                continue
            if any(fnmatch.fnmatchcase(name, p) for p in unwanted):
                continue
            yield one


# As when it is run by itself: what is written on the way is no result, but programs that cases start need both.
from test.support import os_helper

with os_helper.temp_cwd():
    module = importlib.import_module("test." + module_name)
    loaded = unittest.defaultTestLoader.loadTestsFromModule(module)
    suite = unittest.TestSuite(cases(loaded))
    suite.run(Results())
write("end", "ended")
