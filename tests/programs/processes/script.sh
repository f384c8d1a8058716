# What shells do with processes: pipes, subshells, here-documents, traps, job control. Nothing here depends on timing.
set -u
double() { local x=$1; (cd / && echo "subshell $x in $(pwd): $((x * 2))"); }
for i in 1 2 3; do double "$i"; done
seq 1 20 | while read -r n; do [ $((n % 5)) = 0 ] && echo "five $n"; done
echo "pipe status ${PIPESTATUS[*]}"
false | true | (exit 3)
echo "pipe status ${PIPESTATUS[*]}"
set -o pipefail
(exit 7) | cat
echo "pipefail $?"
cat <<END | tr a-z A-Z | sort -r
alpha
beta $(echo gamma | tr am xy)
END
cat <<'END' >quoted
no $(expansion) `here`
END
cat quoted
read -r first rest <<<"one two three"
echo "$first, $rest"

trap 'echo "got USR1"' USR1
kill -USR1 $$
(kill -USR1 $$)
echo after
trap '' USR2
kill -USR2 $$
(kill -USR2 $BASHPID; echo "still here")
trap - USR2
(kill -USR2 $BASHPID; echo "not reached") 2>/dev/null
echo "killed by USR2: $?"
(trap 'echo "leaving subshell"' EXIT; exit 4)
echo "status $?"
(ulimit -c 0; kill -ABRT $BASHPID) 2>/dev/null
echo "aborted $?"

sleep 100 &
pid=$!
kill -TERM $pid
wait $pid 2>/dev/null
echo "terminated $?"
(exit 9) &
wait $!
echo "background $?"
for n in 1 2 3 4; do (exit $n) & pids[n]=$!; done
for n in 4 3 2 1; do wait "${pids[n]}"; echo "child $n: $?"; done
mkfifo queue
(echo through a fifo >queue) &
read -r line <queue
wait
echo "$line"

exec 7>&2 2>/dev/null
# Jobs that have ended are forgotten when they have been shown; else the next may not be the first.
jobs >/dev/null
set -m
sleep 100 &
kill -STOP %1
until jobs -s | grep -q Stopped; do :; done
jobs -s | sed 's/  */ /g'
kill -CONT %1
until jobs -r | grep -q Running; do :; done
jobs -r | sed 's/  */ /g'
# The shell may have noticed before it waits, and then says so and forgets the job's number.
pid=$!
kill %1
wait $pid
echo "job $?"
set +m
exec 2>&7

exec 5>log
echo to five >&5
(echo from a child >&5)
exec 5>&-
cat log
exec 6<log
read -r line <&6
(read -r line <&6; echo "the child read: $line")
read -r line <&6 || echo "nothing left: the position is shared"
exec 6<&-
printf '%s\n' x y z | xargs -n1 echo argument
find . -name 'quot*' -exec sh -c 'echo "found $1 by $0"' finder {} \;
env -i A=b /bin/sh -c 'echo $A; exec /bin/echo replaced'
no-such-command 2>/dev/null
echo "not found $?"
./quoted 2>/dev/null
echo "not executable $?"
printf '#!/bin/sh -e\necho "script $0 with $*"\nfalse\necho "not reached"\n' >child
chmod +x child
./child 1 2
echo "child script $?"
(exec -a another /bin/sh -c 'echo "called $0"')
x=$(exec 2>&1; ls /no/such/file)
echo "$x ($?)"
total=0
for i in $(seq 1 40); do total=$((total + $(echo $i | cat))); done
echo "total $total"
fib() { if [ "$1" -lt 2 ]; then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi; }
echo "fib $(fib 6)"
trap 'echo bye' EXIT
