# SPDX-License-Identifier: MIT
#
# roofline - rate against arithmetic intensity: kernels as dots, a colour a class, under the roofs of this machine.
# Set before: data, out, heading, peak [Gflop/s], peak_text, roofs, roof_GB[] [GB/s], roof_text[], kinds, kind[],
# left, right [flop/B], low, high [Gflop/s].
# Block k of data: intensity [flop/B]  rate [Gflop/s]  label ("-": none)  where it begins, of class k.

if (!exists('terminal')) terminal = 'svg'
if (terminal eq 'png') {
    set terminal pngcairo noenhanced size 1000,680 font 'Helvetica,11' background 'white'
} else {
    set terminal svg noenhanced size 1000,680 font 'Helvetica,13' background 'white'
}
set output out

array okabe[8] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#999999']
colour(k) = okabe[(k - 1) % 8 + 1]
array shape[8] = [7, 5, 9, 13, 11, 15, 4, 6]

set title heading font ',15'
set xlabel 'arithmetic intensity [flop/B]'
set ylabel 'rate [Gflop/s]'
set logscale xy
set xrange [left:right]
set yrange [low:high]
set format '%g'
set grid lc rgb '#dddddd' lw 0.7
set border 3 lc rgb '#555555'
set tics nomirror
set key below maxrows 2 Left reverse samplen 2

# The text of a level stands on its line and is turned as the line is: one decade across is `across` wide, one up `up` high.
set lmargin at screen 0.09
set rmargin at screen 0.97
set tmargin at screen 0.92
set bmargin at screen 0.16
across = 1000 * 0.88 / log10(right / left)
up = 680 * 0.76 / log10(high / low)
turn = atan2(up, across) * 180 / pi
do for [i = 1:roofs] {
    set label i roof_text[i] at 0.3 * peak / roof_GB[i], 0.3 * peak offset -0.5,0.5 center rotate by turn \
        tc rgb '#555555' font ',11'
}
set label roofs + 1 peak_text at right / 1.05, peak offset 0,0.6 right tc rgb '#555555' font ',11'

min(a, b) = a < b ? a : b
plot for [i = 1:roofs] min(peak, x * roof_GB[i]) with lines lc rgb '#888888' dt i lw 1.5 notitle, \
     for [k = 1:kinds] data index k - 1 using 1:2 with points lc rgb colour(k) pt shape[(k - 1) % 8 + 1] ps 0.8 title kind[k], \
     for [k = 1:kinds] data index k - 1 using 4:5:(strcol(3) eq '-' ? '' : strcol(3)) with labels left \
         tc rgb colour(k) font ',10' notitle
