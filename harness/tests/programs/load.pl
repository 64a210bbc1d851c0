# SPDX-License-Identifier: Apache-2.0
# perl under the allocator: strings that grow, hashes, sorting, regular expressions, closures.
use strict;
use warnings;

my $x = 42;
sub next_number { $x = ($x * 1103515245 + 12345) % 2147483648; return $x }

my %count;
my $text = '';
for my $i (1 .. 200000) {
  my $word = join '', map { chr(97 + next_number() % 6) } 1 .. 1 + next_number() % 5;
  $count{$word}++;
  $text .= "$word ";
}
my $sum = 0;
$sum += length $1 while $text =~ /(\w*a\w*b\w*)/g;
my @sorted = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print "$sum $#sorted @sorted[0 .. 20]\n";

my @tree;
for my $i (0 .. 50000) {
  $tree[$i] = {id => $i, kids => [], name => "node $i" x (1 + $i % 7)};
  push @{$tree[($i - 1) / 2]{kids}}, $tree[$i] if $i;
}
sub depth { my $n = shift; my $d = 0; for (@{$n->{kids}}) { my $k = depth($_); $d = $k if $k > $d } 1 + $d }
print depth($tree[0]), "\n";

my @closures = map { my $n = $_; sub { $n += shift; "$n" } } 1 .. 20000;
my $total = 0;
$total += $closures[next_number() % 20000]->($_) for 1 .. 100000;
(my $swapped = $text) =~ s/(\w+) (\w+)/$2 $1/g;
print $total, ' ', unpack('%32C*', $swapped), ' ', unpack('%32C*', reverse $text), "\n";
