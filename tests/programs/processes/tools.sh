# Programs that look at other processes, and those of util-linux that start programs confined or with other settings.
# Run by bash; everything that is executed is named in full.
export LC_ALL=C
b=/bin u=/usr/bin
try() { echo "== ${*##*/}"; "$@"; echo "=> $?"; }

# Other processes: bash's child, which has executed something, and one that was forked only.
exec 7<held
OTHER=value $b/sleep 1000 &
P=$!
( while :; do $b/sleep 1000; done ) 2>/dev/null &
until [ "$(< /proc/$P/comm)" = sleep ]; do :; done
until Q=$($u/pgrep -P $!) && [ "$(< /proc/$Q/comm)" = sleep ]; do :; done
# Until both have begun to sleep: the number of the call is i386's, or x86-64's where an emulator makes it. (Kernels that do not tell are not asked twice.)
for each in $P $Q; do while read -r call rest </proc/$each/syscall && ! [[ $call =~ ^(162|267|407|35|230)$ ]]; do :; done; done

$b/readlink /proc/$P/exe
$b/readlink /proc/$P/cwd
$u/tr '\0' ' ' </proc/$P/cmdline; echo
$u/tr '\0' '\n' </proc/$P/environ | $b/grep OTHER
$b/grep -E '^(Name|State|Threads|NoNewPrivs)' /proc/$P/status
$u/cut -d' ' -f2,3,20 /proc/$P/stat
# Executable, data, stack: which programs' parts are there, and what may be done with them.
$b/grep -E '\.so|sleep|stack' /proc/$P/maps | $b/sed 's/^[0-9a-f]*-[0-9a-f]* \(....\).* /\1 /' | $u/sort -u
$b/ls /proc/$P/task | $u/wc -l
$b/ls /proc/$P/fd
[ /proc/$P/exe -ef $b/sleep ]; echo $?
try $b/ps -eo comm,args
try $b/ps -o stat,nlwp,comm -p $P
try $u/pgrep -lx sleep
try $u/pgrep -cf 'sleep 1000'
try $u/pstree
try $u/pstree -a
try $u/killall -0 sleep
try $b/fuser -s held
try $u/lsof -a -p $P -d txt,mem,rtd -F n
try $u/killall -q nothing
try $u/pkill -x sleep
wait $P; echo $?
kill $!

# Confined, or with other settings.
try $u/unshare -Ur $u/id -u
try $u/unshare -u $b/sh -c '/bin/hostname other; /bin/hostname'
try $u/unshare -pf $b/sh -c 'echo $$'
try $u/unshare -Ur --setgroups deny $b/cat /proc/self/setgroups
try $u/nsenter -t $$ -m -u -i -n -p -C $b/true
try $u/setpriv --no-new-privs $b/grep NoNewPrivs /proc/self/status
try $u/setpriv --bounding-set=-all $b/grep CapBnd /proc/self/status
try $u/setpriv --ambient-caps +net_raw --inh-caps +net_raw $b/grep Cap /proc/self/status
try $u/setsid -w $b/false
try $u/prlimit --nofile=100:200 $u/prlimit --nofile
try $u/prlimit --stack=1000000 --as=3000000000 $u/prlimit --stack --as
try $u/taskset 1 $u/nproc
try $u/taskset -c 9999 $b/true
try $u/chrt -b 0 $b/sh -c '/usr/bin/chrt -p $$'
try $u/chrt -r 10 $b/sh -c '/usr/bin/chrt -p $$'
try $u/ionice -c 2 -n 7 $u/ionice
try $u/flock -n lock $u/flock -n lock $b/echo no
try $u/flock -s lock $u/flock -s -n lock $b/echo shared
try $u/choom -n 500 -- $b/grep . /proc/self/oom_score_adj
try $u/setarch i686 $b/uname -m
try $u/nice -n 3 $u/nice
try $u/timeout 0.1 $b/sleep 1000
try $u/timeout -s KILL 0.1 $b/sleep 1000
try $u/stdbuf -oL $u/printenv _STDBUF_O
try $u/script -qec '/usr/bin/tty | /bin/sed s/[0-9]*$//; exit 3' /dev/null
