# SPDX-License-Identifier: MIT
#
# breakdown - where the time of a step went: compute, exposed communication and waiting stacked, hidden communication
# beside the bar because it costs no time. Panels side by side.
# Set before: data, out, heading, panels, panel_title[], panel_note[].
# Block p of data: label  compute  exposed communication  waiting  hidden communication [ms].

if (!exists('terminal')) terminal = 'svg'
bars = 0
array top[panels]
array count[panels]
do for [p = 1:panels] {
    stats data index p - 1 using 2 nooutput
    count[p] = STATS_records
    bars = count[p] > bars ? count[p] : bars
    stats data index p - 1 using ($2 + $3 + $4) nooutput
    top[p] = STATS_max
    stats data index p - 1 using 5 nooutput
    top[p] = STATS_max > top[p] ? STATS_max : top[p]
}
width = 110 + panels * (160 + (bars > 8 ? 50 * bars : bars > 4 ? 75 * bars : 300))
if (terminal eq 'png') {
    eval sprintf("set terminal pngcairo noenhanced size %d,%d font 'Helvetica,11' background 'white'", width, 520)
} else {
    eval sprintf("set terminal svg noenhanced size %d,%d font 'Helvetica,13' background 'white'", width, 520)
}
set output out

set style fill solid 0.9 border rgb '#ffffff'
set ylabel 'time of a step [ms]'
set xtics rotate by -30 nomirror scale 0
set ytics nomirror
set grid ytics lc rgb '#dddddd' lw 0.7
set rmargin 8
set border 3 lc rgb '#555555'
set key below maxrows 1 Left reverse samplen 2

set multiplot layout 1,panels title heading font ',15'
do for [p = 1:panels] {
    set title panel_title[p] . "\n" . panel_note[p] font ',12'
    set yrange [0:top[p] * 1.12]
    set xrange [-0.6:(count[p] > 4 ? count[p] : 4) - 0.3]
    plot data index p - 1 using 0:($2 + $3 + $4):(0.5) with boxes lc rgb '#E69F00' title 'waiting', \
         '' index p - 1 using 0:($2 + $3):(0.5) with boxes lc rgb '#D55E00' title 'communication, exposed', \
         '' index p - 1 using 0:2:(0.5):xtic(1) with boxes lc rgb '#0072B2' title 'compute', \
         '' index p - 1 using ($0 + 0.36):5:(0.16) with boxes fs pattern 4 lc rgb '#56B4E9' title 'communication, hidden', \
         '' index p - 1 using 0:($2 + $3 + $4 + top[p] * 0.03):(sprintf('%.3g', $2 + $3 + $4)) with labels font ',11' notitle
}
unset multiplot
