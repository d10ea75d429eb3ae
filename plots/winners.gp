# SPDX-License-Identifier: MIT
#
# winners - the quickest algorithm of an operation, a cell for each number of workers and each size.
# Set before: data, out, heading, note, workers[], bytes[], label[] and colour_of[] of those that win, never (the others),
# letters: the most in a line of a cell.
# data: column  row  colour  quickest  the next one and how much longer it takes ("= name": none).

if (!exists('terminal')) terminal = 'svg'
max(a, b) = a > b ? a : b
left = 90.0
top = 70.0
across = max((6.5 * letters + 14) * |workers|, 7 * max(strlen(note), strlen(never)) - left) # of all cells [pixels]
wide = left + across + 20
keys = ceil(1.0 * |label| / max(1, floor(wide / 165))) # rows of the key
below = 120.0 + 20 * keys
high = top + 46.0 * |bytes| + below
if (terminal eq 'png') {
    eval sprintf("set terminal pngcairo noenhanced size %d,%d font 'Helvetica,11' background 'white'", wide, high)
} else {
    eval sprintf("set terminal svg noenhanced size %d,%d font 'Helvetica,13' background 'white'", wide, high)
}
set output out

array okabe[8] = [0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7, 0xE69F00, 0x56B4E9, 0x000000, 0x999999]
place(k) = (int(k) - 1) % 8 + 1
colour(k) = okabe[place(k)]
ink(k) = place(k) == 1 || place(k) == 7 ? 0xFFFFFF : 0x000000

set lmargin at screen left / wide
set rmargin at screen (left + across) / wide
set tmargin at screen 1 - top / high
set bmargin at screen below / high
set label 1 heading at screen 0.5, 1 - 20 / high center font ',15'
set label 2 note at screen 0.5, 1 - 44 / high center font ',11'
set label 3 "in a cell: the quickest, and below it the next one, with how much longer it takes" at screen 0.5, 44 / high center font ',11'
set label 4 never at screen 0.5, 24 / high center font ',11'
set key at screen 0.5, (62.0 + 10 * keys) / high center maxrows keys Left reverse samplen 1 width 1

set xlabel 'workers' offset 0,0.3
set ylabel 'bytes on each worker' offset 1.5,0
set xrange [0.5:|workers| + 0.5]
set yrange [0.5:|bytes| + 0.5]
set xtics () scale 0
set ytics () scale 0
do for [i = 1:|workers|] { set xtics add (workers[i] i) }
do for [i = 1:|bytes|] { set ytics add (bytes[i] i) }
set border lc rgb '#555555'
set style fill solid border rgb 'white'

plot data using 1:2:(0.5):(0.5):(colour($3)) with boxxyerror lc rgb variable notitle, \
     data using 1:2:4:(ink($3)) with labels offset 0,0.45 tc rgb variable font ',11' notitle, \
     data using 1:2:5:(ink($3)) with labels offset 0,-0.6 tc rgb variable font ',10' notitle, \
     for [i = 1:|label|] NaN with boxes lc rgb colour(colour_of[i]) title label[i]
