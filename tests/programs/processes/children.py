# What Python does with processes: fork, subprocess with pipes, errors and time-outs, signals with and without handlers.
import errno, os, select, signal, subprocess, sys, time

r, w = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(r)
    os.write(w, b"from the child")
    os._exit(3)
os.close(w)
print(os.read(r, 100), os.waitpid(pid, 0)[1] >> 8)
print(subprocess.run(["/bin/sh", "-c", "cat; echo error >&2; exit 5"], input=b"to the child", capture_output=True))
print(subprocess.check_output("echo shell $((1+2))", shell=True))
try:
    subprocess.run(["/no/such/program"])
except FileNotFoundError as error:
    print("not found", error.errno == errno.ENOENT)
try:
    subprocess.run(["/bin/true"], cwd="/no/such/directory")
except FileNotFoundError as error:
    print("no directory", error.filename)
try:
    subprocess.run(["/bin/sleep", "100"], timeout=0.3)
except subprocess.TimeoutExpired:
    print("timed out")
child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, pass_fds=(r,))
print(os.getsid(child.pid) == child.pid)
child.stdin.write(b"line\n")
child.stdin.flush()
print(child.stdout.readline())
child.send_signal(signal.SIGTERM)
print(child.wait())

caught = []
signal.signal(signal.SIGUSR1, lambda number, frame: caught.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda number, frame: caught.append(number))
# Again and again: the first may come before the pause.
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
print(sorted(set(caught)))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGRTMIN])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigwait([signal.SIGUSR2]))
print(signal.sigtimedwait([signal.SIGUSR2], 0.01))
r, w = os.pipe()
os.set_blocking(w, False)
signal.set_wakeup_fd(w)
os.kill(os.getpid(), signal.SIGUSR1)
print(select.select([r], [], [], 5)[0] == [r], os.read(r, 10))
signal.set_wakeup_fd(-1)
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)
print(os.WTERMSIG(os.waitpid(pid, 0)[1]))
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 6"], {})
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
# Full speed comes back to a child that goes on.
pid = os.fork()
if pid == 0:
    total = 0
    for n in range(300000):
        total = (total * 31 + n) & 0xffffffff
    os._exit(total & 0x7f)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
sys.stdout.flush()
os.execv("/bin/echo", ["echo", "replaced"])
