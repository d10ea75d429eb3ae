# SPDX-License-Identifier: MIT
#
# loss - loss against step, a line a run; later lines are thinner, so that lines on top of each other show.
# Set before: data, out, heading, window, curves, label[].
# Block i of data: step  loss.

if (!exists('terminal')) terminal = 'svg'
if (terminal eq 'png') {
    set terminal pngcairo noenhanced size 960,520 font 'Helvetica,11' background 'white'
} else {
    set terminal svg noenhanced size 960,520 font 'Helvetica,13' background 'white'
}
set output out

array okabe[8] = ['#999999', '#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000']
colour(i) = okabe[(i - 1) % 8 + 1]
dash(i) = 1 + (i - 1) / 8
thick(i) = curves > 1 ? 1.2 + 6.0 * (curves - i) / (curves - 1) : 2

set title heading font ',15'
set xlabel 'training step'
set ylabel window > 1 ? sprintf('loss of a batch (mean of %d steps)', window) : 'loss of a batch'
stats data using 2 name 'LOSS' nooutput
if (LOSS_min > 0) { set logscale y } # a loss of zero has no logarithm
set xrange [0:*] noextend
set format y '%g'
set grid lc rgb '#dddddd' lw 0.7
set border 3 lc rgb '#555555'
set tics nomirror
set key outside right top Left reverse samplen 2

plot for [i = 1:curves] data index i - 1 using 1:2 with lines lc rgb colour(i) dt dash(i) lw thick(i) title label[i]
