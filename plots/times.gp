# SPDX-License-Identifier: MIT
#
# times - time of each algorithm of an operation against bytes or workers, panels side by side.
# Set before: data, out, heading, note, panel_title[], along_bytes[], counts (of workers), label[], colour_of[], measured, forms.
# Blocks of data, two for each algorithm of each panel: bytes or workers, seconds; then the same of the closed form.

if (!exists('terminal')) terminal = 'svg'
panels = |panel_title|
step = panels == 1 ? 740 : 440 # from panel to panel [pixels]
wide = 60.0 + step * panels
high = 540.0
if (terminal eq 'png') {
    eval sprintf("set terminal pngcairo noenhanced size %d,%d font 'Helvetica,11' background 'white'", wide, high)
} else {
    eval sprintf("set terminal svg noenhanced size %d,%d font 'Helvetica,13' background 'white'", wide, high)
}
set output out

array okabe[8] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#999999']
colour(i) = okabe[(colour_of[i] - 1) % 8 + 1]
point(i) = (colour_of[i] - 1) % 5 * 2 + 4 + measured # filled where measured, open where simulated

array least[panels] # time
array most[panels]
do for [p = 1:panels] {
    stats data index 2 * (p - 1) * |label| : 2 * p * |label| - 1 using 2 nooutput
    pad = STATS_max < 10 * STATS_min ? 2 : 1.3
    least[p] = STATS_min / pad
    most[p] = STATS_max * pad
}

set logscale xy
set grid lc rgb '#dddddd' lw 0.7
set border 3 lc rgb '#555555'
set tics nomirror
set autoscale xfix
set tmargin at screen 0.82
set bmargin at screen 0.24
set label 1 heading at screen 0.5, 0.965 center font ',15'
set label 2 note at screen 0.5, 0.915 center font ',11'

set multiplot
do for [p = 1:panels] {
    set lmargin at screen (85 + step * (p - 1)) / wide
    set rmargin at screen (step * p + 20) / wide
    set title panel_title[p] font ',12' offset 0,-0.4
    if (along_bytes[p]) {
        set xlabel 'bytes on each worker' offset 0,0.3
        set format x '%.0s %cB'
        set logscale x 10
    } else {
        set xlabel 'workers' offset 0,0.3
        set format x '%g'
        set logscale x 2
        if (words(counts) <= 10) {
            set xtics ()
            do for [w in counts] { set xtics add (w w + 0) }
        }
    }
    set offsets graph 0.05, graph 0.05, 0, 0
    set yrange [least[p]:most[p]]
    set ytics () # every decade; where there are few of them 2 and 5, too
    do for [d = -9:6] {
        do for [k in most[p] > 1e4 * least[p] ? '1' : '1 2 5'] {
            set ytics add (gprintf('%.0s %cs', k * 10.0 ** d) k * 10.0 ** d)
        }
    }
    if (p > 1) { unset label 1; unset label 2 }
    if (p == 1) {
        set key at screen 0.5, 0.09 center maxrows 2 Left reverse samplen 2 width 1
    } else {
        unset key
    }
    all = 'plot NaN notitle'
    do for [i = 1:|label|] {
        first = 2 * ((p - 1) * |label| + i - 1)
        if (forms) {
            all = all . sprintf(", data index %d using 1:2 with lines lc rgb '%s' lw 1 notitle", first + 1, colour(i))
        }
        all = all . sprintf(", data index %d using 1:2 with points lc rgb '%s' pt %d ps 0.9 lw 1.5 title label[%d]", \
                            first, colour(i), point(i), i)
    }
    if (forms) { all = all . ", NaN with lines lc rgb '#333333' lw 1 title 'closed form'" }
    eval all
}
unset multiplot
