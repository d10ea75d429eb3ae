# SPDX-License-Identifier: MIT
#
# validate - simulated against measured time of a step, and the error; a colour a workload, a symbol a strategy.
# Set before: data, out, heading, workload[], strategy[], series, colour_of[], symbol_of[].
# Block i of data: measured [ms]  simulated [ms]  error [%]  its low and high by the spread of the measurement [%].

if (!exists('terminal')) terminal = 'svg'
if (terminal eq 'png') {
    set terminal pngcairo noenhanced size 1180,600 font 'Helvetica,11' background 'white'
} else {
    set terminal svg noenhanced size 1180,600 font 'Helvetica,13' background 'white'
}
set output out

array okabe[8] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#999999']
colour(i) = okabe[(i - 1) % 8 + 1]
array shape[8] = [6, 4, 8, 12, 10, 2, 1, 3] # circle, square, up, diamond, down, x, plus, star
symbol(i) = shape[(i - 1) % 8 + 1]

stats data using 1:2 name 'M' nooutput
least = M_min_x < M_min_y ? M_min_x : M_min_y
most = M_max_x > M_max_y ? M_max_x : M_max_y
stats data using ($3) name 'E' nooutput
widest = 1.15 * (E_max > -E_min ? E_max : -E_min)
widest = widest > 12 ? widest : 12

set border 3 lc rgb '#555555'
set tics nomirror
set grid lc rgb '#dddddd' lw 0.7
set bmargin 9
set key at screen 0.5,0.11 center maxrows 3 Left reverse samplen 1 spacing 1.1 width 1
set samples 400
set logscale x
set xrange [least / 1.4:most * 1.4]
set xlabel 'measured [ms]'
set format x '%g'
band = 'fs solid 0.15 noborder lc rgb "#777777"'

set multiplot layout 1,2 title heading font ',15'

set logscale y
set yrange [least / 1.4:most * 1.4]
set ylabel 'simulated [ms]'
set format y '%g'
all = "plot '+' using 1:($1 * 0.92):($1 * 1.08) with filledcurves " . band . " notitle, x with lines lc rgb '#555555' lw 1 notitle"
do for [i = 1:series] {
    all = all . sprintf(", data index %d using 1:2 with points pt %d ps 1.0 lw 1.8 lc rgb '%s' notitle", \
                        i - 1, symbol(symbol_of[i]), colour(colour_of[i]))
}
do for [i = 1:|workload|] {
    all = all . sprintf(", NaN with points pt 5 ps 1.2 lc rgb '%s' title workload[%d]", colour(i), i)
}
do for [i = 1:|strategy|] {
    all = all . sprintf(", NaN with points pt %d ps 1.2 lw 1.8 lc rgb '#333333' title strategy[%d]", symbol(i), i)
}
all = all . ", NaN with filledcurves " . band . " title '8 %'"
eval all

unset key
unset logscale y
set yrange [-widest:widest]
set ylabel 'simulated / measured - 1 [%]'
all = "plot '+' using 1:(-8):(8) with filledcurves " . band . " notitle, 0 with lines lc rgb '#555555' lw 1 notitle"
do for [i = 1:series] {
    all = all . sprintf(", data index %d using 1:3:4:5 with yerrorbars pt %d ps 1.0 lw 1.2 lc rgb '%s' notitle", \
                        i - 1, symbol(symbol_of[i]), colour(colour_of[i]))
}
eval all
unset multiplot
