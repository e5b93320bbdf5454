# Strings, lists, dictionaries and an index of words in a scripting language embedded everywhere.
set index [dict create]
foreach path [lsort [glob /usr/share/common-licenses/* /usr/include/*.h]] {
    set file [open $path]
    fconfigure $file -encoding iso8859-1
    set at 0
    foreach word [regexp -all -inline {\w+} [read $file]] { dict lappend index $word [incr at] }
    close $file
}
for {set number 0} {$number < 15000} {incr number} {
    set device($number) [dict create name "device $number" level [expr {$number * 37 % 101}] volts [expr {$number / 7.0}]]
    lappend readings [expr {$number * $number % 4093}]
    append journal "line $number: level [dict get $device($number) level]\n"
}
set sorted [lsort -integer $readings]
puts "corpus: ready"
flush stdout
after 3600000
