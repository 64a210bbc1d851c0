# A load of hashes and strings in perl for the benchmark: words are counted, joined, split, sorted and replaced.
# Argument: scale in percent.
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;

my $rounds = int($ARGV[0] * 6 / 100) || 1;
my $state = 12345;

sub below {
    my ($n) = @_;
    $state = ($state * 1103515245 + 12345) % 2147483648;
    return int($state / 65536) % $n;
}

sub word {
    return join '', map { chr(97 + below(26)) } 1 .. 2 + below(6);
}

my $sum = 0;
for my $round (1 .. $rounds) {
    my (%count, %lines);
    for my $n (1 .. 8000) {
        my $line = join ' ', map { word() } 1 .. 1 + below(8);
        for my $w (split / /, $line) {
            $count{$w}++;
            push @{ $lines{ substr $w, 0, 2 } }, { word => $w, line => $n };
        }
        $line =~ s/([aeiou])/<$1>/g;
        $sum = ($sum * 31 + length $line) % 1000000007;
    }
    for my $prefix (sort keys %lines) {
        my @sorted = sort { $a->{word} cmp $b->{word} || $a->{line} <=> $b->{line} } @{ $lines{$prefix} };
        $sum = ($sum * 31 + unpack '%32C*', join ',', map { "$_->{word}:$_->{line}" } @sorted) % 1000000007;
    }
    delete @count{ grep { $count{$_} == 1 } keys %count };
    $sum = ($sum * 31 + keys %count) % 1000000007;
}
print "perl $sum\n";
