# A long bash script: everything the manual has that touches processes, files or signals. Its output depends on nothing else.
set -u
shopt -s extglob
section() { printf -- '--- %s (line %d)\n' "$1" "${BASH_LINENO[0]}"; }
here=$PWD

section 'pipes and their status'
seq 1 30 | sed -n '/[05]$/p' | tr '\n' ' ' | sed 's/ $/\n/'
true | false | (exit 5) | true
echo "status: ${PIPESTATUS[*]}"
statuses=("${PIPESTATUS[@]}")
echo "one more: ${#statuses[@]}"
! true
echo "negated: $?"
! false | false
echo "negated pipe: $?"
set -o pipefail
(exit 3) | (exit 4) | true
echo "pipefail: $?"
set +o pipefail
yes | head -n 3
echo "yes ended: $((PIPESTATUS[0] > 128))"
echo to both 2>&1 >/dev/null | cat
{ echo out; echo err >&2; } 2>&1 | sort
{ echo out; echo err >&2; } |& sort -r
seq 1 3 | while read -r n; do
  seq 1 "$n" | while read -r m; do printf '%s.%s ' "$n" "$m"; done
  echo
done
shopt -s lastpipe
echo kept | read -r last
echo "lastpipe: $last"
shopt -u lastpipe
lost=before
echo after | read -r lost
echo "no lastpipe: $lost"
for i in {1..40}; do echo "$i"; done | cat | cat | cat | cat | cat | cat | tail -n 1
seq 1 2000 | tee >(wc -l >count) | tail -n 1
until [ -s count ]; do :; done
cat count
head -c 300000 /dev/zero | tr '\0' 'x' | (head -c 1 >/dev/null; wc -c) | gawk '{ print ($1 > 0) }'

section 'subshells'
v=outer
(v=inner; cd /; echo "$v in $PWD")
echo "$v"
[ "$PWD" = "$here" ] && echo 'the directory is as before'
(exit 9)
echo "exit of a subshell: $?"
( ( (echo "depth $BASH_SUBSHELL") ) )
x=$(y=$(z=$(echo deep); echo "$z-er"); echo "$y still")
echo "$x"
echo "$(echo "$(echo "$(echo "quoted \"$(echo inside)\"")")")"
echo `echo back \`echo quotes\``
$(exit 6)
echo "empty command: $?"
var=$(exit 7)
echo "assignment: $?"
f() { local r=$(exit 8); echo "local hides it: $?"; }
f
[ "$BASHPID" = "$$" ] && echo 'the shell itself'
( [ "$BASHPID" = "$$" ] || echo 'a subshell has its own number' )
(trap 'echo "subshell leaves"' EXIT; true)
(set -e; false; echo 'not reached')
echo "set -e: $?"
(set -u; echo "$unset_variable") 2>/dev/null
echo "set -u: $?"
content=$(<count)
echo "read by the shell: $content"
lines=$(printf 'a\n\nb\n\n\n')
echo "${#lines} characters, newlines cut"
(cd /no/such/file 2>/dev/null || echo 'no such directory')
{ (echo one; exit 1) && echo two; } || echo three

section 'here-documents and here-strings'
name=World
cat <<END
Hello $name, $((6 * 7)), $(echo command), `echo old`, \$escaped, \\ one
END
cat <<'END'
Hello $name, $((6 * 7)), $(echo command)
END
cat <<-END
	tabs are
		removed
	END
cat <<A; cat <<B
first
A
second
B
while read -r a b; do echo "$b $a"; done <<END
1 one
2 two
END
tr a-z A-Z <<<"a string of ${#name}"
read -r p q r <<<'x y z w'
echo "$p|$q|$r"
IFS=: read -r p q r <<<'a:b c:d:e'
echo "$p|$q|$r"
cat <<END | (read -r line; echo "in a pipe: $line"; cat)
l1
l2
END
f() { cat <<END
from a function: $1
END
}
f arg
# Larger than a pipe holds, so that it is a file.
big=$(printf '%070000d' 7)
wc -c <<<"$big"
cat <<<"$big" | md5sum
cat 5<<END <&5
through descriptor 5
END

section 'redirections and descriptors'
exec 3>three 4>&1
echo 'to three' >&3
{ echo 'also three' >&3; echo 'to four' >&4; } | cat
exec 3>&- 4>&-
echo closed 2>/dev/null >&3 || echo 'descriptor 3 is closed'
cat three
echo appended >>three
wc -l <three
exec 6<>three
read -r -u 6 line
echo "read: $line"
echo OVERWRITTEN >&6
exec 6>&-
cat three
exec {fd}>named
((fd >= 10)) && echo 'a named descriptor is at least 10'
echo named >&"$fd"
exec {fd}>&-
cat named
(exec >inner; echo 'inside inner')
cat inner
set -C
echo no 2>/dev/null >inner || echo 'noclobber'
echo yes >|inner
set +C
cat inner
echo both &>both; ls /no/such/file &>>both
wc -l <both
cat <three >copy 2>&1
cmp three copy && echo same
exec 7<three
(read -r -u 7 l; echo "child: $l")
read -r -u 7 l
echo "parent goes on: $l"
exec 8<&7-
read -r -u 7 l 2>/dev/null || echo '7 has moved'
exec 8<&-
ls -l /dev/fd/ 2>/dev/null | gawk 'NR > 1 && $9 <= 2 { n++ } END { print n + 0 }'
diff <(printf '%s\n' a b c) <(printf '%s\n' a x c)
paste -d, <(seq 1 3) <(seq 4 6)
sort -m <(echo a; echo c) <(echo b; echo d) | tr '\n' ' '; echo
printf '%s\n' "$(cat <(cat <(cat <(echo nested))))"
tr a-z A-Z > >(cat >upper; echo done >upper.done) <<<text
until [ -s upper.done ]; do :; done
cat upper
mkfifo fifo
cat fifo >from-fifo & cat_pid=$!
echo 'through a fifo' >fifo
wait $cat_pid
cat from-fifo
exec 9<>fifo
echo 'both ends' >&9
read -r -t 5 -u 9 line
echo "$line"
read -r -t 0.01 -u 9 line
echo "timed out: $(($? > 128))"
read -t 0 -u 9
echo "nothing there: $?"
echo x >&9
read -t 0 -u 9
echo "something there: $?"
read -r -n 1 -u 9 c
echo "one character: $c"
exec 9>&-

section 'traps'
trap 'echo "USR1 in line $LINENO"' USR1
kill -USR1 $$
trap 'echo USR2; kill -USR1 $$; echo "USR2 ends"' USR2
kill -USR2 $$
trap -p USR1
(trap -p USR1; kill -USR1 $BASHPID; echo 'not reached')
echo "a subshell has the default: $?"
trap '' USR1
(kill -USR1 $BASHPID; echo 'ignored in a subshell')
sh -c 'kill -USR1 $$; echo "ignored in a program"'
trap - USR1 USR2
sh -c 'kill -USR1 $$; echo "not reached"'
echo "default again: $?"
g() { trap 'echo "RETURN of $FUNCNAME"' RETURN; echo "in g"; }
g
trap - RETURN
(
  trap 'echo "ERR: $? in line $LINENO of ${FUNCNAME[0]-main}"' ERR
  false
  (exit 42)
  h() { false; }
  h
  set -E
  h
  if false; then :; fi
  false || true
  ! true
)
(
  trap 'echo "DEBUG: $BASH_COMMAND"' DEBUG
  a=1
  ((a += 1))
  echo "$a" | cat
  trap - DEBUG
  a=2
)
(trap 'echo "EXIT: $?"; exit 11' EXIT; exit 10)
echo "the trap's status: $?"
(trap 'echo "TERM"; exit 0' TERM; trap 'echo "EXIT"' EXIT; kill -TERM $BASHPID; echo 'not reached')
echo "$?"
for signal in HUP INT QUIT TERM PIPE ALRM VTALRM RTMIN RTMAX; do
  (ulimit -c 0; trap - $signal; kill -$signal $BASHPID; echo "$signal returned") 2>/dev/null
  echo "$signal: $? $(kill -l $?)"
done
for signal in HUP INT QUIT ALRM PIPE CONT CHLD WINCH URG IO RTMIN+3 RTMAX-1; do
  (trap "echo caught $signal" $signal; kill -s $signal $BASHPID; echo "after $signal")
done
trap 'n=$((n + 1))' USR1
n=0
for i in {1..50}; do kill -USR1 $$; done
echo "50 signals: $n"
bash -c 'for i in {1..20}; do kill -USR1 $PPID; done'
((n > 50)) && echo 'some from a child'
trap - USR1
trap 'alarms=$((alarms + 1))' ALRM
alarms=0
(while :; do kill -ALRM $$; sleep 0.01; done) & pid=$!
wait $pid
echo "wait was interrupted: $(($? > 128)) $((alarms > 0))"
exec 5>&2 2>/dev/null
kill -KILL $pid
until wait $pid; (($? == 137)); do :; done
exec 2>&5 5>&-
trap - ALRM
(
  trap 'kill $child; wait $child; echo "child: $?"; exit 3' TERM
  # Ready once it is another program: before that, the trap is still its own.
  sh -c 'echo ready >ready; exec sleep 100' & child=$!
  wait $child
) &
until [ -s ready ]; do :; done
kill -TERM $!
wait $!
echo "clean end: $?"

section 'background and job control'
# A signal that a child gets between its fork and its exec bash may forget: it is sent to what is another program already.
executed() { local comm pid; for pid; do until read -r comm <"/proc/$pid/comm" && [ "$comm" != bash ]; do :; done; done; }
for n in 3 1 2; do (exit $n) & p[n]=$!; done
for n in 1 2 3; do wait "${p[n]}"; echo "$n: $?"; done
wait 999999 2>/dev/null
echo "no child: $?"
# A child that ends between the looks of `wait -n` for children that have ended and for those that run is found by the next one.
(sleep 0; exit 21) &
until wait -n; n=$?; ((n != 127)); do :; done
echo "wait -n: $n"
(exit 22) & one=$!
until wait -n -p who $one; n=$?; ((n != 127)); do :; done
echo "wait -n -p: $n $([ "$who" = $one ] && echo same)"
wait -n
echo "wait -n without children: $?"
{ echo a; echo b; } | cat >piped &
wait $!
cat piped
sleep 100 & disown
jobs
disown 2>/dev/null || echo 'nothing to disown'
executed $!
kill $!
exec 5>&2 2>/dev/null
set -m
sleep 100 &
jobs | sed 's/  */ /g'
sleeper=$!
executed $sleeper
kill %1
wait $sleeper
echo "kill %1: $?"
(kill -STOP $BASHPID; echo 'continued'; exit 5) &
until jobs -s | grep -q Stopped; do :; done
jobs -s | sed 's/  */ /g'
fg %% >resumed
echo "fg: $?"
cat resumed
(kill -STOP $BASHPID; exit 6) & stopped=$!
until jobs -s | grep -q Stopped; do :; done
bg >/dev/null
wait $stopped
echo "bg: $?"
# Jobs that have ended are forgotten when they have been shown.
jobs >/dev/null
sleep 100 | sleep 100 & last=$!
leader=$(jobs -p)
read -r -a stat <"/proc/$last/stat"
[ "${stat[4]}" = "$leader" ] && [ "$leader" != "$last" ] && echo 'a job is a process group'
executed $leader $last
kill -TERM -- -$leader
wait $last
echo "the group is gone: $?"
jobs >/dev/null
sleep 100 & sleep 101 &
jobs -l | wc -l
executed $(jobs -p)
kill %?101 && kill %-
wait
echo "by name: $?"
sleep 100 & disown -h; executed $!; kill $!; wait $!
echo "disown -h: $?"
sh -c 'kill -TSTP $$; exit 4'
echo "stopped: $?"
jobs | sed 's/  */ /g'
fg >/dev/null
echo "after fg: $?"
trap 'c=$((c + 1))' CHLD
c=0
(exit 0) & wait $!
/bin/true
((c > 0)) && echo 'SIGCHLD counted'
trap - CHLD
set +m
exec 2>&5 5>&-
# The shell may tell of the death before it waits.
exec 5>&2 2>/dev/null
sleep 100 & suspended=$!
kill -STOP $suspended; kill -KILL $suspended
wait $suspended
echo "killed while stopped: $?"
exec 2>&5 5>&-
(sleep 0 & wait; echo 'waited in a subshell')
export -f section
bash -c 'section "exported function"' | sed 's/line.*/line)/'

section 'coprocesses'
coproc cat
echo 'to the coprocess' >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
echo "back: $line"
pid=$COPROC_PID
eval "exec ${COPROC[1]}>&-"
wait $pid
echo "ended: $?"
coproc UPPER { while read -r l; do echo "${l^^}"; done; exit 12; }
pid=$UPPER_PID
for w in some words; do
  echo "$w" >&"${UPPER[1]}"
  read -r answer <&"${UPPER[0]}"
  echo "$answer"
done
exec {UPPER[1]}>&-
wait $pid
echo "status: $?"

section 'arrays'
a=(zero one "two words" [5]=five)
echo "${#a[@]}: ${!a[*]}"
a+=(six)
unset 'a[1]'
printf '<%s>' "${a[@]}"; echo
echo "${a[-1]} ${a[@]:2:2} ${#a[2]}"
b=("${a[@]/#/x-}")
echo "${b[*]}"
b=("${a[@]%e}")
echo "${b[*]}"
declare -A m=([key]=value [two words]=2 ['$x']=dollar)
m[n]=$((m[n] + 1)) 2>/dev/null
for k in "${!m[@]}"; do echo "$k=${m[$k]}"; done | sort
[[ -v m[key] ]] && ! [[ -v m[none] ]] && echo 'tested by name'
unset 'm[key]'
echo "${#m[@]}"
mapfile -t lines < <(printf 'l%d\n' {1..5})
echo "${#lines[@]} ${lines[4]}"
mapfile -t -s 1 -n 2 -O 10 lines < <(printf 'm%d\n' {1..5})
echo "${lines[10]} ${lines[11]} ${#lines[@]}"
mapfile -d : -t fields <<<'a:b:c'
echo "${#fields[@]} ${fields[1]}"
readarray -t -c 2 -C 'echo callback' some < <(seq 1 5)
read -r -a words <<<'  split into   words '
declare -p words
IFS=,; echo "${words[*]}"; unset IFS
sorted=($(printf '%s\n' pear apple fig | sort))
echo "${sorted[@]}"
declare -n ref=sorted
ref+=(quince)
echo "${sorted[3]} ${!ref}"
unset -n ref
declare -i number=7; number+=5; number=number*2
echo "$number"
declare -r constant=1
(constant=2) 2>/dev/null || echo 'read-only'
declare -l low=MiXeD; declare -u up=MiXeD
echo "$low $up"
set -- 'a b' c '' d
echo "$#: $*"
shift 2
echo "$#: <$1> $2"
for arg; do printf '[%s]' "$arg"; done; echo

section 'arithmetic'
echo $((2 ** 10)) $((17 % 5)) $((-17 / 5)) $((-17 % 5)) $((0x1f)) $((010)) $((2#1011)) $((36#zz))
echo $((9223372036854775807 + 1)) $((1 << 62)) $((-1 >> 1)) $((~5)) $((5 ^ 3)) $((5 & 3)) $((5 | 3))
i=5
echo $((i++ + ++i)) $i $((i-- - --i)) $i
echo $((i > 3 ? 10 : 20)) $((i == 5 && 0)) $((!i)) $((1, 2, 3))
((i += 3, i *= 2, i <<= 1, i |= 1, i ^= 8)); echo $i
let 'j = 3' 'k = j ** 3'; echo "$j $k"
for ((n = 0, m2 = 10; n < m2; n += 3, m2--)); do printf '%d/%d ' $n $m2; done; echo
(echo $((1 / 0))) 2>&1 | sed 's/.*line/line/'
echo $((1000000007 * 998244353 % 1000003)) $((-9223372036854775807 / 7))
factorial() { if (($1 < 2)); then echo 1; else echo $(($1 * $(factorial $(($1 - 1))))); fi; }
factorial 15
primes() { local n d; for ((n = 2; n < $1; n++)); do for ((d = 2; d * d <= n; d++)); do ((n % d)) || continue 2; done; printf '%d ' $n; done; echo; }
primes 60
gcd() { local a=$1 b=$2; while ((b)); do ((a %= b, b ^= a, a ^= b, b ^= a)); done; echo $a; }
gcd 1071 462
RANDOM=42; r1=$RANDOM; RANDOM=42
((r1 == RANDOM)) && echo "seeded: $r1"

section 'expansion'
path=/usr/local/lib/file.tar.gz
echo "${path##*/} ${path%/*} ${path%%.*} ${path#*/} ${path: -6} ${path:5:5} ${#path}"
echo "${path/l/L} ${path//l/L} ${path/#\/usr/~} ${path/%gz/xz} ${path//[aeiou]}"
echo "${none-default} ${none:=assigned} $none ${none:+other} ${empty+set}"
(echo "${missing:?is missing}") 2>&1 | sed 's/.*missing:/missing:/'
word='hello World'
echo "${word^} ${word^^} ${word,,} ${word^^[lo]} ${word@Q} ${word@U} ${word@u}"
printf '%s ' {a..e} {1..10..3} {05..08} pre{x,y{1,2}}post; echo
printf '%s ' a{,b,c}d {z..w}; echo
touch f1 f2 f10 g1 .hidden
echo f* f? [fg]1 [!f]1 f[[:digit:]] !(f*|c*|t*|w*|r*|p*|n*|i*|b*|u*|l*|.*) +(f)1*
shopt -s nullglob; echo none*; shopt -u nullglob
echo none* ; set -f; echo f*; set +f
shopt -s dotglob; echo .h*; shopt -u dotglob
shopt -s globstar; mkdir -p d/e/f; touch d/e/f/deep; echo d/**; shopt -u globstar
case file.txt in *.@(c|h)) echo code ;; *.t?(e)xt) echo text ;;& *.txt) echo 'again' ;& none) echo 'fell through' ;; *) echo no ;; esac
[[ abc == a* && ! abc == 'a*' && abc < abd ]] && echo 'patterns and strings'
if [[ 'key = some value' =~ ^([a-z]+)\ *=\ *(.*)$ ]]; then declare -p BASH_REMATCH; fi
re='([0-9]+)-([0-9]+)'; [[ 2024-11 =~ $re ]] && echo "${BASH_REMATCH[2]}/${BASH_REMATCH[1]}"
[[ x =~ [ ]] 2>/dev/null; echo "bad expression: $?"
indirect=word; echo "${!indirect} ${!BASH_VERSI*}"
echo $'tab\there \x41\101\u0041 \'quoted\'' "$'not'"
printf '%5d|%-5d|%05d|%+d|%x|%X|%o|%#x|%c|%10.3s|%q|%%\n' 42 42 42 42 255 255 8 255 char string 'a b'
printf '%e %g %.2f %a\n' 12345.678 0.0001 2.675 1
printf '%s-%s\n' 1 2 3
printf '%b' 'a\tb\n'; printf -v assigned '%03d' 7; echo "$assigned"
printf '%d %d %u\n' "'A" 0x10 3000000000
printf '%(%Y-%m-%d %H:%M:%S)T\n' 86400
printf '%d\n' bad 2>/dev/null; echo "bad number: $?"
eval 'x=1; echo "evaluated $x"'
set -- -a -b value -c --long rest
while getopts ':ab:c-:x:' option; do
  case $option in
    b | -) echo "-$option with $OPTARG" ;;
    \? | :) echo "wrong: $OPTARG" ;;
    *) echo "-$option" ;;
  esac
done
shift $((OPTIND - 1)); echo "rest: $*"

section 'functions, loops, select'
outer() { local v=outer-local; middle; echo "outer sees $v"; }
middle() { echo "middle sees $v"; v=changed; local v=own; inner; }
inner() { echo "inner sees $v from ${FUNCNAME[*]}"; }
outer
ackermann() { local m=$1 n=$2; if ((m == 0)); then echo $((n + 1)); elif ((n == 0)); then ackermann $((m - 1)) 1; else ackermann $((m - 1)) "$(ackermann "$m" $((n - 1)))"; fi; }
ackermann 1 4
hanoi() { (($1 == 0)) && return; hanoi $(($1 - 1)) $2 $4 $3; ((moves++)); hanoi $(($1 - 1)) $4 $3 $2; }
moves=0; hanoi 6 a c b; echo "$moves moves"
status() { return "$1"; }
status 200; echo $?
status 300; echo $?
select choice in red green blue; do echo "chose $REPLY: $choice"; [ "$choice" = blue ] && break; done 2>&1 <<END
1
7
3
END
i=0; while :; do ((++i > 5)) && break; ((i % 2)) && continue; echo "even $i"; done
until ((i <= 3)); do ((i--)); done; echo "$i"
for w in a b; do for z in 1 2 3; do [ $z = 2 ] && continue 2; echo $w$z; done; done
declare -f status
unset -f status; status 1 2>/dev/null; echo "unset: $?"
caller_of() { caller 0; }; via() { caller_of; }; via | sed 's/[^ ]*$/FILE/'
alias greet='echo hello'; shopt -s expand_aliases
alias greet='echo hello'
greet there
unalias greet
time_it() { local TIMEFORMAT='%0R'; time sleep 0; } 2>&1
time_it | wc -l
command -v cd if greet nonexistent; type -t cd ls if section
builtin echo builtin; command echo command; enable -n echo; type -t echo; enable echo

section 'files, modes, limits'
umask 027; touch private; mkdir dir; umask; umask -S
stat -c '%a %F' private dir
(umask 0; touch open; stat -c %a open); umask 022
touch -d '2001-02-03 04:05:06 UTC' old; touch -r old same; stat -c '%Y %X' old same
[ private -nt old ] && [ old -ot private ] && [ old -ef old ] && ! [ old -nt same ] && echo 'times compared'
ln old hard; ln -s old soft; stat -c '%h %N' hard soft
[ -L soft ] && [ -f soft ] && [ -d dir ] && [ -p fifo ] && [ ! -s old ] && [ -c /dev/null ] && echo 'kinds of files'
chmod 4755 private; [ -u private ] && [ -x private ] && ls -l private | cut -c1-10
ulimit -S -n; (ulimit -n 30; ulimit -n; for i in {10..40}; do eval "exec $i</dev/null" || break; done 2>/dev/null; echo "up to $i")
(ulimit -f 1; trap '' XFSZ; head -c 5000 /dev/zero >limited 2>/dev/null; echo "file limit: $?"; wc -c <limited)
(ulimit -t 100; ulimit -t; ulimit -c 0; ulimit -c)
(ulimit -v 1 2>/dev/null; echo still)
pushd d >/dev/null && pushd e >/dev/null && dirs -p | sed "s:$here:HERE:" && popd >/dev/null && popd >/dev/null
cd d/e && cd - >/dev/null && [ "$OLDPWD" = "$here/d/e" ] && echo 'cd -'
ln -s d/e link; (cd link; pwd | sed 's:.*/::'; pwd -P | sed 's:.*/::'; cd -P ..; pwd -P | sed 's:.*/::')
find . -type f -newer old -name 'f?' | sort
find d -depth -exec printf '%s\n' {} +
tar cf t.tar d f1 && mkdir x && tar xf t.tar -C x && ls -R x | head -n 4
rm -r x t.tar; [ -e x ] || echo removed
du -a d >/dev/null && df . >/dev/null && echo measured
xargs -n 2 -P 1 echo pair <<<'1 2 3 4 5'
printf '%s\0' 'a b' c | xargs -0 -I{} echo '<{}>'
env -i A=1 B=2 "$BASH" -c 'echo "$A$B ${HOME-none}"'
A=temporary bash -c 'echo $A'; echo "${A-unset}"
exec -a name bash -c 'echo "$0"' & wait $!
(exec /no/such/file) 2>/dev/null; echo "exec failed: $?"
printf '#!/bin/bash -e\nexec 2>&1\necho "$0: $@"\n(exit 3)\necho not reached\n' >script; chmod +x script
./script x 'y z'; echo "script: $?"
. ./script sourced 2>/dev/null | head -n 1
echo 'return 5; echo no' >sourced; . ./sourced; echo "source: $?"
bash -n script && bash -c 'exit 77'; echo $?
printf 'echo "from standard input: $1"\n' | bash -s argument
bash -c 'kill -9 $$'; echo "killed: $?"
bash -c 'set -x; : traced "a b"' 2>&1
timeout 0.05 sleep 100; echo "timeout: $?"
nohup true >/dev/null 2>&1; nice -n 5 nice; busybox setsid sh -c 'echo a session'
trap 'echo "the end: $?"' EXIT
exit 17
