# What Perl does with processes: fork, pipes by open, backticks, signals, exec.
use strict; use warnings; use POSIX ':sys_wait_h';
$| = 1;
pipe(my $r, my $w);
my $pid = fork;
if ($pid == 0) { close $r; print $w "child\n"; close $w; exit 3 }
close $w; print scalar <$r>; waitpid $pid, 0; print $? >> 8, "\n";
print `echo backticks`; print $?, "\n";
system('exit 4'); print $? >> 8, "\n";
system('/no/such/program') == -1 and print "cannot: $!\n";
open my $from, '-|', 'printf "a\nb\n"'; print "got $_" while <$from>; close $from;
open my $to, '|-', 'tr a-z A-Z'; print $to "shout\n"; close $to;
my $child = open(my $kid, '-|') // die; if (!$child) { print "forked open\n"; exit 2 } print <$kid>; close $kid; print $? >> 8, "\n";
my $count = 0; local $SIG{USR1} = sub { $count++ }; kill USR1 => $$; kill USR1 => $$; print "caught $count\n";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 10; }; print $@;
local $SIG{CHLD} = 'IGNORE'; $pid = fork; exit 0 if !$pid; print waitpid($pid, 0), "\n"; $SIG{CHLD} = 'DEFAULT';
$pid = fork; if (!$pid) { sleep 100; exit } kill TERM => $pid; waitpid $pid, 0; print WTERMSIG($?), "\n";
exec 'echo', 'replaced';
