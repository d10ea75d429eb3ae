# SPDX-License-Identifier: MIT
#
# time - loss of a batch against seconds of training, and what the test set says, a line a run.
# Set before: data, out, heading, window, curves, label[], scores, score, target (NaN: none), least (loss),
# spread: of the seconds that the runs took, longest over shortest.
# Block 2 (i - 1) of data: seconds  loss; block 2 (i - 1) + 1: seconds  score.

if (!exists('terminal')) terminal = 'svg'
panels = scores ? 2 : 1
width = 40 + 560 * panels
if (terminal eq 'png') {
    set terminal pngcairo noenhanced size width,520 font 'Helvetica,11' background 'white'
} else {
    set terminal svg noenhanced size width,520 font 'Helvetica,13' background 'white'
}
set output out

array okabe[8] = ['#999999', '#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000']
colour(i) = okabe[(i - 1) % 8 + 1]
dash(i) = 1 + (i - 1) / 8

set multiplot layout 1,panels title heading font ',15'
set xlabel 'seconds of training (evaluations left out)'
if (spread > 20) { set logscale x } else { set xrange [0:*] noextend }
set format x '%g'
set format y '%g'
set grid lc rgb '#dddddd' lw 0.7
set border 3 lc rgb '#555555'
set tics nomirror
set key top right Left reverse samplen 3 opaque

set ylabel window > 1 ? sprintf('loss of a batch (mean of %d steps)', window) : 'loss of a batch'
if (least > 0) { set logscale y }
plot for [i = 1:curves] data index 2 * (i - 1) using 1:2 with lines lc rgb colour(i) dt dash(i) lw 1.8 title label[i]

if (scores) {
    unset logscale y
    set key bottom right
    if (score eq 'test loss') { set key top right; set logscale y }
    set ylabel score
    wanted(x) = target
    plot for [i = 1:curves] data index 2 * (i - 1) + 1 using 1:2 with linespoints lc rgb colour(i) dt dash(i) lw 1.8 pt 7 ps 0.35 title label[i], \
         (target > 0 ? wanted(x) : 1/0) with lines lc rgb '#000000' dt 2 lw 1 title (target > 0 ? sprintf('target %g', target) : '')
}
unset multiplot
