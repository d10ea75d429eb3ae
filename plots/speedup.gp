# SPDX-License-Identifier: MIT
#
# speedup - speedup against workers, a colour a strategy, panels side by side.
# Set before: data, out, heading, panels, panel_title[], panel_note[], series, label[], panel_of[], colour_of[], measured[].
# Block i of data (two blank lines between): workers  speedup  speedup by the closed form; NaN is a gap.

if (!exists('terminal')) terminal = 'svg'
high_of(n) = 480 + 25 * ((n + 2) / panels / 3 + 1)
if (terminal eq 'png') {
    eval sprintf("set terminal pngcairo noenhanced size %d,%d font 'Helvetica,11' background 'white'", 90 + 520 * panels, high_of(series))
} else {
    eval sprintf("set terminal svg noenhanced size %d,%d font 'Helvetica,13' background 'white'", 90 + 520 * panels, high_of(series))
}
set output out

array okabe[8] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#999999']
colour(i) = okabe[(colour_of[i] - 1) % 8 + 1]
point(i) = ((colour_of[i] - 1) % 5 + (colour_of[i] - 1) / 8) % 5 * 2 + 4 + measured[i] # filled where measured, open where simulated

stats data using 1 nooutput
most = STATS_max > 1 ? STATS_max : 2
stats data using 2 nooutput
low = STATS_min
high = STATS_max

array form[series] # of the closed form: a line of one point would not show
do for [i = 1:series] {
    known = 0 # none: no plan of this strategy has a closed form here
    stats data index i - 1 using (0):(known = known + (valid(3) && $3 == $3), 0) nooutput
    form[i] = known > 1 ? 'lines' : 'points pt 1'
}

set logscale x 2
set logscale y 2
set xrange [0.9:most * 1.12]
set yrange [(low < 1 ? low : 1) / 1.3:(high > most ? high : most) * 1.3]
set xlabel 'workers' offset 0,0.4
set ylabel 'speedup against serial'
set grid lc rgb '#dddddd' lw 0.7
set border lc rgb '#555555'
rows = (series / panels + 4) / 3
set key below maxcols 3 Left reverse samplen 2 spacing 1.1
set bmargin 4.5 + 1.1 * rows
set tics nomirror

set multiplot layout 1,panels title heading font ',15'
do for [p = 1:panels] {
    set title panel_title[p] . "\n" . panel_note[p] font ',12'
    all = "plot x with lines lc rgb '#999999' dt 2 lw 1.5 title 'ideal'"
    do for [i = 1:series] {
        if (panel_of[i] == p) {
            all = all . sprintf(", data index %d using 1:3 with %s lc rgb '%s' lw 1.5 notitle", i - 1, form[i], colour(i))
            all = all . sprintf(", data index %d using 1:2 with points lc rgb '%s' pt %d ps 1.1 lw 1.5 title label[%d]", \
                                i - 1, colour(i), point(i), i)
        }
    }
    all = all . sprintf(", NaN with %s lc rgb '#333333' lw 1.5 title 'closed form'", form[1])
    eval all
}
unset multiplot
