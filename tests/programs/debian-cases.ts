// The program runs of Debian's i386 packages that wemu is held to, and the files they work on.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Files, noise, type ProgramCase, TREE, textLines } from './debian-run.ts';

const words = textLines(1500, 1);
const sorted = (text: string) => `${[...new Set(text.trim().split('\n'))].sort().join('\n')}\n`;

/** Files of every work directory. */
export const FILES: Files = {
  'words.txt': words,
  'sorted-a.txt': sorted(textLines(300, 2)),
  'sorted-b.txt': sorted(textLines(300, 2).slice(0, 3000) + textLines(100, 3)),
  'numbers.txt': `${[...noise(400, 4)].map((byte, n) => (byte * 977 + n * n) % 10007).join('\n')}\n`,
  'table.csv': textLines(200, 5).replaceAll(' ', ','),
  'noise.bin': noise(20_000, 6),
  'empty.txt': '',
  'long.txt': `${words.slice(0, 3000).replaceAll('\n', '\t')}\n`,
  'tree/one/two/deep.txt': 'deep\n',
  'tree/one/file.txt': textLines(20, 7),
  'tree/three.txt': 'three\n',
  'tree/link': { link: 'one/file.txt' },
  'tree/dangling': { link: 'nowhere' },
  'program.json': '{"name": "wemu", "list": [1, 2.5, -3e-7, true, null, "\\u00e9\\n"], "deep": {"a": {"b": []}}}\n',
};

/** Named runs, by what they are of. */
export type Cases = Record<string, ProgramCase>;

/** Cases from command lines, split at spaces; each may come with standard input. */
function commands(
  directory: string,
  lines: readonly (string | readonly [string, Partial<ProgramCase>] | (string | Partial<ProgramCase>)[])[],
): Cases {
  const cases: Cases = {};
  for (const line of lines) {
    const [text, more] = (typeof line === 'string' ? [line, {}] : line) as [string, Partial<ProgramCase>];
    const [name, ...args] = text.split(' ');
    // Debian keeps the oldest tools in /bin.
    const place = directory === '/usr/bin' && !existsSync(join(TREE, directory, name!)) ? '/bin' : directory;
    cases[text] = { program: `${place}/${name}`, args, ...more };
  }
  return cases;
}

const BUSYBOX_SCRIPT = `
sum=0; n=1
while [ $n -le 200 ]; do sum=$((sum + n * n)); n=$((n + 1)); done
echo "sum $sum"
greet() { local who=$1; echo "hello \${who:-nobody} \${#who}"; }
greet world; greet
for name in *.txt; do case $name in s*) echo "s: $name";; *) test -s "$name" && echo "other: $name";; esac; done
while IFS=' ' read -r a b c; do [ "$a" = alpha ] && printf '%s|%05d|%x\\n' "$b" "$c" "$c"; done <words.txt
set -- a 'b c' d; echo "$# \${2%c} \${3#x}"; shift; echo "$@"
exec 3>made.txt; echo made >&3; exec 3>&-; read line <made.txt; echo "$line"
trap 'echo leaving' EXIT; exit 7
`;

// biome-ignore format: rows of commands by subject
export const BUSYBOX: Cases = {
  ...Object.fromEntries(
    Object.entries(
      commands('', [
        ...['cat words.txt', 'head -n 5 words.txt', 'tail -n 5 words.txt', 'tail -c 100 noise.bin', 'tac numbers.txt'],
        ...['sort words.txt', 'sort -n -r numbers.txt', 'sort -t, -k2,2 -k3n table.csv', 'uniq -c sorted-a.txt'],
        ...['wc words.txt', 'wc -c noise.bin', 'cut -d, -f2 table.csv', 'cut -c 3-9 words.txt', 'nl words.txt'],
        ...['comm sorted-a.txt sorted-b.txt', 'paste numbers.txt words.txt', 'fold -w 20 long.txt', 'rev words.txt'],
        ...['expand long.txt', 'unexpand -a words.txt', 'od -x noise.bin', 'hexdump -C noise.bin', 'xxd noise.bin'],
        ...['md5sum noise.bin words.txt', 'sha1sum noise.bin', 'sha256sum noise.bin', 'sha512sum noise.bin'],
        ...['sha3sum noise.bin', 'cksum noise.bin words.txt', 'crc32 noise.bin', 'sum noise.bin', 'base64 noise.bin'],
        ...['uuencode -m noise.bin x', 'strings noise.bin', 'seq 1 3 50', 'seq -w 8 12', 'factor 1234567 97 360360'],
        ...['expr 17 * 3', 'expr length abcdef', 'basename /a/b/c.txt .txt', 'dirname /a/b/c.txt', 'echo -e a\\tb'],
        ...['printf %5d|%-5s|%x\\n 42 ab 255', 'printenv LC_ALL', 'cmp noise.bin words.txt', 'diff words.txt table.csv'],
        ...['grep -n alpha words.txt', 'grep -c -v [0-5]$ words.txt', 'egrep (alpha|beta).*7 words.txt'],
        ...['sed -n s/alpha/ALPHA/p words.txt', 'ls -ln tree', 'ls -lnR tree', 'find tree -type f', 'find . -size +2k'],
        ...['du -a tree', 'stat -c %n:%s:%a:%F words.txt tree', 'readlink tree/link', 'test -f words.txt', 'test -d none'],
        ...['true', 'false', 'cp words.txt copy.txt', 'mv numbers.txt moved.txt', 'rm empty.txt', 'rm none.txt'],
        ...['mkdir -p new/a/b', 'rmdir tree', 'ln -s words.txt soft', 'ln words.txt hard', 'touch made', 'chmod 600 words.txt'],
        ...['truncate -s 100 words.txt', 'dd if=noise.bin of=part.bin bs=512 skip=3 count=9 status=none', 'split -l 500 words.txt part-'],
        ...['gzip -c words.txt', 'bzip2 -c words.txt', 'cpio -t', 'dos2unix words.txt'],
        ...['date -u -d @1234567890', 'cal 2 2024', 'dc -e 2_100^p', 'bc', 'tr a-z A-Z', 'tee made.txt'],
        ...['tsort', 'shuf -e one', 'nosuchapplet'],
      ]),
    ).map(([name, one]) => [
      name,
      { ...one, program: '/bin/busybox', args: [one.program.slice(1), ...one.args!], stdin: stdinOf(name) },
    ]),
  ),
  "awk '{ n[$1] += $3 } …' words.txt": {
    program: '/bin/busybox',
    args: ['awk', '{ n[$1] += $3 } END { for (w in n) t += n[w] * length(w); printf "%d %.3f %e\\n", t, t / 7, sqrt(t) }', 'words.txt'],
  },
  'sh script.sh, without fork': { program: '/bin/busybox', args: ['sh', '-c', BUSYBOX_SCRIPT] },
};

function stdinOf(name: string): string {
  if (name === 'bc') return '2^70/3\nscale=20\n1/7\nsqrt(2)\n';
  if (name === 'tsort') return 'a b\nb c\na d\nd c\n';
  if (name === 'cpio -t') return '';
  return words;
}

// biome-ignore format: rows of commands by subject
export const COREUTILS: Cases = {
  ...commands('/usr/bin', [
    ...['sort words.txt', 'sort -k3n -k1,1r words.txt', 'sort -u -t, -k2,2 table.csv', 'sha256sum noise.bin words.txt'],
    ...['sha512sum noise.bin', 'md5sum words.txt', 'b2sum noise.bin', 'cksum noise.bin', 'sum words.txt', 'od -An -tx1z noise.bin'],
    ...['od -t d4 -t f8 noise.bin', 'od -t fL noise.bin', 'od -c words.txt', 'base64 noise.bin', 'base32 words.txt', 'basenc --z85 noise.bin'],
    ...['factor 18446744073709551557 340282366920938463463374607431768211455 600851475143', 'cut -d, -f1,3 table.csv'],
    ...['cut -b 2-5,8- words.txt', ['tr a-m A-M', { stdin: words }], ['tr -dc 0-9\\n', { stdin: words }], 'wc words.txt noise.bin tree/one/file.txt'],
    ...['head -n 7 words.txt', 'head -c -100 words.txt', 'tail -n +1490 words.txt', 'uniq -d sorted-a.txt', 'uniq -c -w 4 sorted-a.txt'],
    ...['comm -12 sorted-a.txt sorted-b.txt', 'comm sorted-a.txt sorted-b.txt', 'join -j 1 sorted-a.txt sorted-b.txt', 'paste -d:, words.txt numbers.txt'],
    ...['paste -s numbers.txt', 'nl -ba -w3 words.txt', 'fold -s -w 30 long.txt', 'fmt -w 50 words.txt', 'pr -D x -3 -l 40 -h x numbers.txt'],
    ...['expand -t 3 long.txt', 'unexpand -a words.txt', 'tac words.txt', 'shuf -e one', 'tsort sorted-a.txt', 'ptx -G tree/one/file.txt'],
    ...['expr 123456789 * 987', 'expr foobar : fo*', 'expr 1 / 0', 'seq 0.1 0.1 2', 'seq -f %010.3f 1 0.25 3', 'seq 1000000 1000010', 'seq -s, 20'],
    ...['printf %.15g\\n 14177796.6', 'printf %d:%o:%X:%e:%g:%a\\n 42 42 42 1.5 1e-7 0.1', 'printf %.30f\\n 0.1', 'printf %s\\n a b'],
    ...['numfmt --to=iec 1234567 999 1e12', 'numfmt --from=si 1.5M', 'stat -c %n:%s:%a:%F:%Y words.txt tree tree/link', 'stat -L -c %F:%s tree/link'],
    ...['du -ab tree', 'du -s tree', 'ls -lnR .', 'ls -lnR --time-style=full-iso tree', 'ls -lnR /etc', 'ls -1sS', 'ls none', 'dir', 'vdir -n tree'],
    ...['date -u -d @1234567890', 'date -d 2024-02-29+1year +%F', 'date -d 2001-02-03T04:05:06 +%A-%j-%U-%s-%N', 'date -d nonsense'],
    ...['cp -a tree copied', 'cp words.txt numbers.txt tree', 'cp none x', 'mv words.txt renamed.txt', 'mv -b numbers.txt words.txt', 'rm -r tree'],
    ...['rm none', 'rm -f none', 'ln -s words.txt soft', 'ln words.txt hard', 'link words.txt hard', 'unlink words.txt', 'mkdir -m 700 a b', 'rmdir tree'],
    ...['touch -d 2000-01-01 made', 'chmod u=rwx,go=r words.txt', 'truncate -s 5K noise.bin', 'split -b 7000 noise.bin part-', 'csplit -s words.txt 100 500'],
    ...['dd if=noise.bin of=out.bin bs=1000 count=5 conv=swab status=none', 'install -m 600 words.txt made', 'mkfifo fifo', 'realpath --relative-to=tree words.txt'],
    ...['readlink tree/link', 'basename -s .txt a/b.txt c.txt', 'dirname a/b/c /x', 'pathchk a/b', 'test 3 -lt 4', '[ a = b ]', '[ a = b', 'true', 'false'],
    ...['echo -e a\\tb\\x41', 'printenv LC_ALL', ['tee one two', { stdin: words }], 'id -u', 'dircolors -b', 'cat words.txt', 'shred -n 0 -z -u empty.txt', 'yes --version'],
    ...['sync words.txt', 'mktemp --nonsense', 'cat none words.txt', 'sort --parallel=1 -S 64k words.txt'],
  ]),
};
const DASH_SCRIPT = `
i=0; s=0
while [ $i -lt 3000 ]; do i=$((i+1)); s=$(((s * 31 + i) % 65521)); done
echo $s
f() { [ $1 -le 1 ] && { r=$1; return; }; f $(($1-1)); r=$((r + $1)); }
f 50; echo $r
while read a b c; do t="$t\${a%a}"; done <words.txt; echo \${#t}
printf '%s-%d\\n' x 1 y 2; unset t; echo \${t-unset} \${t:-empty}; eval 'x=5; echo $((x<<3|1))'
for f in tree/*; do echo "$f"; done; exit 4
`;

const GAWK_SCRIPT = `
{ count[$1]++; sum[$1] += $3; if (match($0, /([a-z]+) ([a-z]+) ([0-9]+)/, m)) pairs[m[1] "-" m[2]] = m[3] }
END {
  n = asorti(count, names)
  for (i = 1; i <= n; i++) printf "%-10s %4d %8.2f %e\\n", names[i], count[names[i]], sum[names[i]] / 7, exp(-sum[names[i]] / 1e5)
  print length(pairs), substr("hello", 2, 3), toupper("abc"), gensub(/b+/, "<&>", "g", "abbcb"), strftime("%F %T", 1234567890, 1)
  print sin(1), cos(1), atan2(1, 2), log(10), sqrt(2), int(-3.7), 2 ** 0.5, 1e300 * 1e300, and(12, 10), xor(12, 10), lshift(3, 4)
  srand(3); x = rand(); print (x >= 0 && x < 1); exit 5
}`;

const PERL_SCRIPT = `
use strict; use warnings; use POSIX qw(floor strftime); use List::Util qw(sum max shuffle); use Data::Dumper; use Digest::MD5 qw(md5_hex);
open my $in, '<', 'words.txt' or die; my %n; while (<$in>) { $n{$1}{$2} += $3 if /^(\\w+) (\\w+) (\\d+)$/ } close $in;
printf "%s %d %.6f\\n", $_, sum(values %{$n{$_}}), max(values %{$n{$_}}) / 7 for sort keys %n;
$Data::Dumper::Sortkeys = 1; $Data::Dumper::Indent = 1; print Dumper({ a => [1, 2.5, 'x'], b => { c => undef } });
print strftime("%Y-%m-%d %H:%M:%S", gmtime 1234567890), " ", md5_hex("wemu" x 1000), "\\n";
my $s = join '', map { chr(65 + $_ * 7 % 26) } 1 .. 2000; (my $t = $s) =~ s/([AEIOU])([^AEIOU]+)/$2$1/g; print length $t, " ", unpack("%32C*", $t), "\\n";
print 0.1 + 0.2, " ", 1e15 / 3, " ", 2 ** 63, " ", -7 % 3, " ", int(-3.7), " ", sprintf("%b %o %x %e %s", 10, 10, 255, 12345.678, 1 / 7), "\\n";
my @q = sort { $a <=> $b } map { ($_ * 7919) % 10007 } 1 .. 3000; print "@q[0..9]\\n"; print pack("w/a n N v", "abc", 1, 2, 3), "\\n"; exit 9;
`;

const LUA_SCRIPT = `
local t = {} for i = 1, 20000 do t[i] = (i * 7919) % 10007 end table.sort(t) print(t[1], t[10000], #t)
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end print(fib(20))
print(("x"):rep(10), ("hello world"):gsub("o", "0"), ("%5.2f|%d|%x|%q"):format(math.pi, 42, 255, "a\\nb"))
for w, n in io.open("words.txt"):read("a"):gmatch("(%a+) %a+ (%d+)") do t[w] = (t[w] or 0) + tonumber(n) end print(t.alpha, t.tau)
print(1 // 0.0, -7 // 2, -7 % 3, 7 / 2, 2 ^ 0.5, 1 << 62, math.maxinteger + 1, 0.1 + 0.2, 1e100, math.tointeger(3.0), 5 // 0.3)
print(pcall(error, { 1 }), select("#", 1, nil), string.pack("<i4d", 7, 1.5):byte(1, -1))
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end) print(co(), co(), co()) print(os.date("!%F %T", 1234567890)) os.exit(3)
`;

const SQL = `
create table t(id integer primary key, name text, value real);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 2000)
insert into t select x, printf('name%d', x * 7919 % 1009), x * 0.37 from c;
create index byname on t(name);
select count(*), sum(value), avg(value), max(name), total(value) / 3 from t;
select name, count(*) n, round(sum(value), 3) from t group by name having n > 1 order by n desc, name limit 10;
begin; update t set value = value * 1.1 where id % 3 = 0; delete from t where id % 7 = 0; commit;
select count(*), sum(value), hex(zeroblob(3)), upper('abc'), substr('hello', 2, 3), date(1234567890, 'unixepoch'), 1/3.0, 9223372036854775807 + 1;
select json_extract('{"a":[1,2,{"b":3.5}]}', '$.a[2].b'), group_concat(id) from (select id from t where name like 'name1%' order by id limit 12);
pragma integrity_check; vacuum; select * from missing;
`;

const PYTHON_SCRIPT = `
import json, math, re
data = json.load(open('program.json')); print(json.dumps(data, sort_keys=True, indent=1)); print(json.loads('[1e400, -0.0, 12345678901234567890]'))
print([getattr(math, f)(0.7) for f in ('sin', 'cos', 'tan', 'exp', 'log', 'sqrt', 'atan', 'sinh', 'erf', 'gamma', 'expm1', 'log1p', 'asin')])
print(math.pi, math.e, math.factorial(30), math.comb(60, 30), math.fsum([0.1] * 10), math.isqrt(10 ** 40), math.hypot(3, 4), math.fmod(-7, 3), math.frexp(1e-300))
text = open('words.txt').read(); print(len(re.findall(r'\\b(\\w+)a (\\w+) (\\d*7)\\b', text)), re.sub(r'(\\w+) (\\w+)', r'\\2-\\1', text)[:60], re.split(r'[,;]\\s*', 'a, b;c'))
print(sorted({w: text.count(w) for w in set(text.split()) if w.isalpha()}.items())[:5], hash((1, 2, 3)), 2 ** 200 % 1000007, 0.1 + 0.2, round(2.675, 2), float.hex(1.1))
print('%.17g %5.1f %e %s' % (1 / 3, 2.25, 1e-5, 1e22), f'{1234567.891:,.2f} {255:#x} {-5 // 3} {7 % -3}', divmod(-7, 2), complex(1, 2) ** 2, int('123' * 30))
class A:
    def __init__(self): self.x = [i * i for i in range(5)]
    def __iter__(self): yield from self.x
print(list(A()), sum(i * i % 7 for i in range(20000)), bytes(range(5)).hex(), 'é'.encode(), [*map(str.upper, 'abc')])
try: 1 / 0
except ZeroDivisionError as e: print(e)
raise SystemExit(6)
`;

export const PROGRAMS: Cases = {
  'dash: script without fork': { program: '/bin/dash', args: ['-c', DASH_SCRIPT] },
  'dash: syntax error': { program: '/bin/dash', args: ['-c', 'if'] },
  'bash: script without fork': {
    program: '/bin/bash',
    args: [
      '-c',
      'declare -A m; for i in {1..300}; do m[k$((i % 7))]+=x; done; for k in k{0..6}; do echo ${#m[$k]}; done; [[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}; printf "%q %(%F)T\\n" "a b" 0; exit 2',
    ],
  },
  sed: {
    program: '/bin/sed',
    args: ['-E', '-n', '/a .*7$/{s/(\\w+) (\\w+)/\\2_\\1/;y/abc/ABC/;p;=};$!N;P;D', 'words.txt'],
  },
  'sed -i': { program: '/bin/sed', args: ['-i', 's/alpha/omega/g;2,5d', 'words.txt'] },
  'grep -E': { program: '/bin/grep', args: ['-n', '-E', '^(alpha|be.a) .*[0-9]{4,}$', 'words.txt'] },
  'grep -P': { program: '/bin/grep', args: ['-o', '-P', '\\b(\\w)\\w*\\1\\b(?= \\d)', 'words.txt'] },
  'grep -c -F': { program: '/bin/grep', args: ['-c', '-F', 'mu', 'words.txt', 'noise.bin', 'none'] },
  'grep back references': { program: '/bin/grep', args: ['-c', '\\(.\\)\\1.*\\(.\\)\\2', 'words.txt'] },
  gawk: { program: '/usr/bin/gawk', args: [GAWK_SCRIPT, 'words.txt'] },
  'gawk -M': {
    program: '/usr/bin/gawk',
    args: [
      'BEGIN { for (i = 0; i < 3000; i++) s = s i % 10; print length(s), substr(s, 100, 20); printf "%.20g %d\\n", 0.1, 2^53 }',
    ],
  },
  'bc -l': {
    program: '/usr/bin/bc',
    args: ['-l'],
    stdin:
      'scale=60\n4*a(1)\ne(1)\ns(1)\n2^300\nsqrt(2)\nfor(i=1;i<=20;i++){j=j*10+i;j}\nl(10)/l(2)\nobase=16\n123456789123456789\n1/0\n',
  },
  perl: { program: '/usr/bin/perl', args: ['-e', PERL_SCRIPT] },
  'perl: dies': {
    program: '/usr/bin/perl',
    args: ['-e', 'my $x = eval { die { code => 5 } }; print $@->{code}; die "gone\\n"'],
  },
  'lua5.4': { program: '/usr/bin/lua5.4', args: ['-e', LUA_SCRIPT] },
  'sqlite3 on a file': { program: '/usr/bin/sqlite3', args: ['made.db'], stdin: SQL },
  'python3: json, math, re': {
    program: '/usr/bin/python3.11',
    args: ['-S', '-c', PYTHON_SCRIPT],
    env: { PYTHONHASHSEED: '0', PYTHONDONTWRITEBYTECODE: '1' },
  },
  'python3: traceback': {
    program: '/usr/bin/python3.11',
    args: ['-c', 'def f(n): return f(n - 1) if n else {}[n]\nf(3)'],
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  },
  'openssl dgst': { program: '/usr/bin/openssl', args: ['dgst', '-sha3-256', 'noise.bin'] },
  'find -printf': { program: '/usr/bin/find', args: ['tree', '-printf', '%p %y %s %m %T@\\n'] },
  'diff -u': { program: '/usr/bin/diff', args: ['-u', 'sorted-a.txt', 'sorted-b.txt'] },
  'bzip2 -c': { program: '/bin/bzip2', args: ['-c', 'words.txt'] },
  'tar -c': { program: '/bin/tar', args: ['-cf', 'made.tar', '--sort=name', '--numeric-owner', 'tree'] },
};

/** A shell line run by dash of the tree. */
const shell = (line: string): ProgramCase => ({ program: '/bin/sh', args: ['-c', line] });

const NUMERIC_SQL = `create table t(a,b);
with recursive c(x) as (select 1 union all select x+1 from c where x<500) insert into t select x, x*1.7/3 from c;
select sum(b), avg(b), max(b), total(a*b), round(sum(b*b),6) from t;
select printf('%.15g %e %f', 1.0/3, 1e-300*7, 123456.789), sin(1), cos(2), exp(1.5), ln(7), pow(2,0.5), atan2(1,3);
`;

const NUMERIC_PERL = `for my $x (-2.5,-1,-0.1,0,0.3,1,2.7,100,1e10,1e-10) {
  printf "%.17g %.17g %.17g %.17g %.17g\n", floor($x), ceil($x), fmod($x,0.7), sinh($x/50), tan($x);
  printf "%.17g %.17g %.17g %.17g\n", cosh($x/1e9), atan($x), (frexp($x))[0], ldexp($x,3);
}
print join(" ", modf(3.75), DBL_MAX, DBL_EPSILON, acos(0.3), log10(77)), "\n"`;

const NUMERIC_PYTHON = `import math, cmath, struct, decimal, fractions
for x in (0.1, 1.5, 2**0.5, 1e300, 5e-324, 123456.789):
    print(x.hex(), math.lgamma(x), math.erf(x), math.atan2(x, 3), math.fsum([x, 1e16, -1e16]), x.as_integer_ratio())
    print(cmath.sqrt(complex(x, -x)), cmath.exp(complex(0.1, x % 7)), struct.pack('<efd', min(x, 6e4), min(x, 1e30), x).hex())
decimal.getcontext().prec = 60
print(decimal.Decimal(2).sqrt(), decimal.Decimal(10).ln(), decimal.Decimal('1.1') ** 100, fractions.Fraction(0.3))`;

/** Calculation, and decoders: a wrong bit anywhere in floating point shows. */
export const NUMERIC: Cases = {
  'sqlite3: functions': { program: '/usr/bin/sqlite3', args: [':memory:'], stdin: NUMERIC_SQL },
  'perl -MPOSIX': { program: '/usr/bin/perl', args: ['-MPOSIX', '-e', NUMERIC_PERL] },
  'python3: math, cmath, struct, decimal': {
    program: '/usr/bin/python3.11',
    args: ['-S', '-c', NUMERIC_PYTHON],
    env: { PYTHONHASHSEED: '0', PYTHONDONTWRITEBYTECODE: '1' },
  },
  gnuplot: {
    program: '/usr/bin/gnuplot-nox',
    args: [
      '-e',
      'set term dumb 79 24; plot [-10:10] sin(x)*exp(-x*x/50), besj0(x); print lgamma(3.7), erf(0.3), ibeta(2,3,0.4), igamma(2,1.5), invnorm(0.1)',
    ],
  },
  units: { program: '/usr/bin/units', args: ['-1', '-t', '1|7 lightyear', 'parsec'] },
  'sox and flac': shell(
    'sox -R -D -n -r 22050 -b 16 t.wav synth 0.3 sine 300-3300 gain -3; sox -R -D t.wav u.wav rate 16000 bass +5; flac -s -f --best -o t.flac t.wav; flac -s -d -f -o v.wav t.flac; cmp t.wav v.wav',
  ),
  'oggenc and oggdec': shell(
    'sox -R -D -n -r 22050 -b 16 t.wav synth 0.2 pluck A3; oggenc -Q -q 4 --serial 7 -o t.ogg t.wav; oggdec -Q -o w.wav t.ogg',
  ),
  'mp3 by sox and mpg123': shell(
    'sox -R -D -n -r 22050 -b 16 t.wav synth 0.2 square 440; sox -R -D t.wav -C 64 t.mp3; mpg123.bin -q -w x.wav t.mp3',
  ),
};
