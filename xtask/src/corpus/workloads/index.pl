# An index of licenses and modules: hashes of hashes and arrays, and the lines themselves.
use strict;
use warnings;
$| = 1;
my (%index, %lines);
for my $path (sort glob "/usr/share/common-licenses/* /usr/share/perl/5.36/*.pm") {
    open my $file, "<", $path or next;
    while (my $line = <$file>) {
        push @{ $lines{$path} }, $line;
        $index{$_}{$path}++ for $line =~ /(\w+)/g;
    }
}
my @records = map { { number => $_, name => "record $_", values => [map { $_ * 1.5 } 1 .. $_ % 8] } } 1 .. 10_000;
print "corpus: ready\n";
sleep 3600;
print scalar @records;
