# SPDX-License-Identifier: MIT
#
# time - loss of a batch against seconds of training, and what the test set says, a line a run.
# Set before: data, out, heading, window, curves, label[], scores, score, target (NaN: none), least (loss),
# spread: of the seconds that the runs took, longest over shortest.
# Block 2 (i - 1) of data: seconds  loss; block 2 (i - 1) + 1: seconds  score.

if (!exists('terminal')) terminal = 'svg'
panels = scores ? 2 : 1
width = 200 + 500 * panels # the key stands beside the last panel
if (terminal eq 'png') {
    set terminal pngcairo noenhanced size width,520 font 'Helvetica,11' background 'white'
} else {
    set terminal svg noenhanced size width,520 font 'Helvetica,13' background 'white'
}
set output out

array okabe[8] = ['#999999', '#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000']
colour(i) = okabe[(i - 1) % 8 + 1]
dash(i) = 1 + (i - 1) / 8
thick(i) = curves > 1 ? 1.2 + 3.0 * (curves - i) / (curves - 1) : 2 # lines on top of each other show

set multiplot title heading font ',15'
left(i) = (80.0 + 500 * (i - 1)) / width
right(i) = (500.0 * i - 20) / width
set xlabel 'seconds of training (evaluations left out)'
if (spread > 20) { set logscale x } else { set xrange [0:*] noextend }
set format x '%g'
set format y '%g'
set grid lc rgb '#dddddd' lw 0.7
set border 3 lc rgb '#555555'
set tics nomirror
set key at screen right(panels) + 0.01, screen 0.9 left top Left reverse samplen 2 noautotitle
set tmargin at screen 0.9
set bmargin at screen 0.13
set lmargin at screen left(1)
set rmargin at screen right(1)
if (scores) { unset key }

set ylabel window > 1 ? sprintf('loss of a batch (mean of %d steps)', window) : 'loss of a batch'
if (least > 0) { set logscale y }
plot for [i = 1:curves] data index 2 * (i - 1) using 1:2 with lines lc rgb colour(i) dt dash(i) lw thick(i) title label[i]

if (scores) {
    set lmargin at screen left(2)
    set rmargin at screen right(2)
    set key at screen right(2) + 0.01, screen 0.9 left top Left reverse samplen 2
    unset logscale y
    if (score eq 'test loss') { set logscale y }
    set ylabel score
    wanted(x) = target
    plot for [i = 1:curves] data index 2 * (i - 1) + 1 using 1:2 with linespoints lc rgb colour(i) dt dash(i) lw thick(i) pt 7 ps 0.3 title label[i], \
         (target > 0 ? wanted(x) : 1/0) with lines lc rgb '#000000' dt 2 lw 1 title (target > 0 ? sprintf('target %g', target) : '')
}
unset multiplot
