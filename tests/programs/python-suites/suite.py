# Runs one of python's own test modules and writes a line for each case: name, outcome, the traceback of what was wrong, CPU seconds.
#
# usage: suite.py MODULE RESULTS [-i PATTERN]... [-m PATTERN]...
# Patterns are those of fnmatch on "Class.test_name": -m cases to run (all, when there is none), -i cases to leave out.
# A line "name<TAB>begun" comes before each case, so that one that never ends is known.

import fnmatch
import importlib
import os
import pickle
import select
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


class SharedEvent:
    """threading.Event between processes: a pipe that something is written to. To be opened before the fork."""

    all_open = []
    reader = writer = -1

    def open(self):
        if self.reader < 0:
            self.reader, self.writer = os.pipe()
            self.all_open.append(self)
        return self

    def set(self, message=b"!"):
        os.write(self.writer, message)

    def wait(self, timeout=None):
        return bool(select.select([self.reader], [], [], timeout)[0])

    def clear(self):
        while self.wait(0):
            os.read(self.reader, 1)

    @classmethod
    def close_all(cls):
        for one in cls.all_open:
            os.close(one.reader)
            os.close(one.writer)
            one.reader = one.writer = -1
        cls.all_open.clear()


class SharedQueue(SharedEvent):
    """What is left of queue.Queue when one exception is passed from child to parent, as text."""

    def put(self, error):
        os.write(self.writer, repr(error).encode("utf-8", "backslashreplace")[:4096])

    def qsize(self):
        return int(self.wait(0))

    def get(self):
        return AssertionError("client: " + os.read(self.reader, 4096).decode("utf-8", "replace"))


class SharedThreading:
    """The module threading as test_socket uses it."""

    Event = SharedEvent

    def __getattr__(self, name):
        import threading

        return getattr(threading, name)


def fork_clients(module):
    """The clients of test_socket, threads there, become processes: forked when the server has been set up."""
    module.threading = SharedThreading()
    threadable = module.ThreadableTest

    def set_up(self):
        self.client_ready, self.done, self.queue = SharedEvent(), SharedEvent(), SharedQueue()
        self.server_ready = ready = SharedEvent().open()
        self.server_crashed = False
        test_method = getattr(self, "_" + self.id().rpartition(".")[2])
        announce = ready.set

        def start():
            announce()
            if ready in started:
                return
            for event in vars(self).values():
                if isinstance(event, SharedEvent):
                    event.open()
            cleanups = len(self._cleanups)
            started[ready] = os.fork()
            if started[ready] == 0:
                ready_message = self.client_ready.set
                self.client_ready.set = lambda: ready_message(pickle.dumps(getattr(self, "cli_addr", None)))
                try:
                    self.clientRun(test_method)
                finally:
                    try:
                        for function, args, kwargs in reversed(self._cleanups[cleanups:]):
                            function(*args, **kwargs)
                    finally:
                        os._exit(0)

        started = {}
        ready.set = start

        def wait_for_client():
            if ready in started:
                os.waitpid(started[ready], 0)
                started[ready] = 0

        def end():
            if started.get(ready):
                os.waitpid(started[ready], 0)
            error = self.queue.get() if self.queue.qsize() else None
            SharedEvent.close_all()
            if error:
                raise error

        self.addCleanup(end)
        try:
            self._ThreadableTest__setUp()
        except BaseException:
            self.server_crashed = True
            raise
        finally:
            ready.set()
        self.client_ready.wait()
        # The one thing that clients tell their servers by an attribute.
        address = pickle.loads(os.read(self.client_ready.reader, 4096))
        if address is not None:
            self.cli_addr = address
        # Before what the server has to clean up.
        self.addCleanup(wait_for_client)

    threadable._setUp = set_up


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
from test import support
from test.support import os_helper

# Times after which cases give up: each ends much sooner, but not where others take most of the processor.
for limit in "LOOPBACK_TIMEOUT", "SHORT_TIMEOUT", "LONG_TIMEOUT":
    setattr(support, limit, 200.0)

with os_helper.temp_cwd():
    module = importlib.import_module("test." + module_name)
    if os.environ.get("SUITE_FORKS"):
        fork_clients(module)
    loaded = unittest.defaultTestLoader.loadTestsFromModule(module)
    suite = unittest.TestSuite(cases(loaded))
    suite.run(Results())
write("end", "ended")
