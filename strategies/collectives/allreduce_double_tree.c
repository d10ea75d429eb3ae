/* SPDX-License-Identifier: MIT
 *
 * allreduce_double_tree - sum x over the team, in place: half of x up and down one binary tree, half through another, in k
 * pieces each, and nobody is an inner member of both trees. So all send and receive at full speed, which the leaves of one
 * tree cannot.
 *   x       [n] fp32
 *   steps   2 (L + k), L = floor(log2 N) - 1, N = P, where P is odd; L = floor(log2 N), N = P-1, where P is even
 *   sends   at most 2 bytes(x) per rank, in at most 4 k messages
 *   time    2 (L + k) (alpha + bytes(x)/(k beta)) + 2 (L + k) add(n/(2k)), least at k* = sqrt(L bytes(x) / (alpha beta));
 *           the last step up lacks bytes(x)/(2 k beta) where the subtrees of the root differ in height and nothing follows
 *   source  Sanders, Speck & Traff, Parallel Computing 35(12), 2009
 *
 * The trees are in-order trees of N = 2 i + 1 members, numbered 1 .. N: odd numbers are leaves, and every inner member has two
 * children. In the second tree everybody's number is one less (and the first is last), so that who is an inner member here is
 * a leaf there. Where P is even, member 0 is above the roots of both. In one step a member receives from at most two others and
 * sends to at most two, at once: that takes alpha + 2 pieces / beta, whoever it is. (The source takes two steps for it, each
 * edge of the trees having one of two colours; its steps are as long as one piece, and twice as many.)
 *
 *   P = 7:         3               4        member 3 is number 4 in the first tree, number 3 in the second
 *                1   5           2   6
 *               0 2 4 6         1 3 5 0
 */
#include "kernels/kernels.h"
#include "strategies/collectives/collective.h"

enum { UP, DOWN, EDGES = 4 };

/* A neighbour in one of the trees. */
typedef struct edge {
    int peer, half;
    int below; /* 1, 2: the peer is my first, second child; 0: my parent */
    /* piece i of that half of x goes up in step start[UP] + i, and down in start[DOWN] + i */
    int start[2];
} edge;

static int in_trees(int P)
{
    return P % 2 ? P : P - 1;
}

/* A piece is through one way after so many steps and one of its own. */
static int fill(int P)
{
    int k;
    ty_power_below(in_trees(P), &k);
    return k - P % 2;
}

/* Where a number stands in the in-order tree of `size` members (odd), and when its first piece goes up. */
typedef struct spot {
    int parent, depth, start; /* parent 0: the root */
    int n, child[2], child_start[2];
} spot;

static spot find(int size, int number)
{
    spot s = {0};
    for (int below = 0;;) { /* the root of a range has a full subtree on its left */
        int half = ty_power_below(size, &s.start), root = below + half;
        if (number == root) {
            if (half > 1) {
                s.n = 2;
                s.child[0] = root - half / 2;
                s.child_start[0] = s.start - 1;
                s.child[1] = root + ty_power_below(size - half, &s.child_start[1]);
            }
            return s;
        }
        s.parent = root;
        s.depth++;
        below = number < root ? below : root;
        size = number < root ? half - 1 : size - half;
    }
}

/* Above the roots: member 0 of an even team. */
static spot above(int N)
{
    spot s = {.n = 1, .depth = -1};
    s.child[0] = ty_power_below(N, &s.child_start[0]);
    return s;
}

/* Who has this number in the first or the second tree; number 0 is above them. */
static int member(int N, int even, int half, int number)
{
    return (half && number ? number % N + 1 : number) - !even;
}

/* All edges of a member; returns how many. */
static int edges(int P, int me, edge e[EDGES])
{
    const int N = in_trees(P), even = P > N, first = me + !even;
    int n = 0, children = 0;
    for (int half = 0; half < 2; half++) {
        int number = half && first ? (first + N - 2) % N + 1 : first;
        spot s = number ? find(N, number) : above(N);
        s.depth += even;
        for (int i = 0; i < s.n; i++)
            e[n++] = (edge){
                member(N, even, half, s.child[i]), half, ++children, {s.child_start[i], s.depth}};
        if (s.depth > 0)
            e[n++] = (edge){member(N, even, half, s.parent), half, 0, {s.start, s.depth - 1}};
    }
    return n;
}

/* All pieces one way: in each step what comes is asked for, what goes is sent, and going up the sums are made. */
static void flow(const ty_team *t, ty_tensor x, int k, int way, ty_tensor inbox)
{
    edge e[EDGES];
    const int n = edges(t->n, t->me, e), steps = fill(t->n) + k;
    for (int s = 0; s < steps; s++) {
        ty_req *q[EDGES] = {NULL};
        ty_tensor piece[EDGES], in[EDGES];
        for (int j = 0; j < n; j++) {
            const int i = s - e[j].start[way], up = way == UP && e[j].below;
            if (i < 0 || i >= k)
                continue;
            piece[j] = ty_chunk(ty_chunk(x, 2, e[j].half), k, i);
            in[j] = up ? ty_slice(ty_chunk(inbox, 2, e[j].below), 0, piece[j].n) : piece[j];
            q[j] = up || (way == DOWN && !e[j].below) ? ty_team_irecv(t, e[j].peer, in[j])
                                                      : ty_team_isend(t, e[j].peer, piece[j]);
        }
        for (int j = 0; j < n; j++)
            if (q[j])
                ty_team_wait(t, q[j]);
        for (int j = 0; j < n; j++)
            if (q[j] && way == UP && e[j].below)
                ty_add(t->rank, piece[j], in[j]);
    }
}

static size_t largest(size_t n, int k)
{
    return ty_chunk_size(ty_chunk_size(n, 2, 0), k, 0);
}

static void run(const ty_team *t, ty_tensor x)
{
    edge e[EDGES];
    int children = 0;
    if (t->n == 1)
        return;
    const int k = ty_pieces(t->rank->job->net, t->rank->job->piece_bytes, fill(t->n), x.n);
    for (int j = 0, n = edges(t->n, t->me, e); j < n; j++)
        children += e[j].below > 0; /* two, or none */
    ty_tensor inbox = ty_scratch(t->rank, children ? 2 * largest(x.n, k) : 0);
    flow(t, x, k, UP, inbox);
    flow(t, x, k, DOWN, inbox);
    ty_drop(t->rank, inbox);
}

/* How many steps the lower one of a root's two subtrees is ahead of the other: on the left all are full. */
static int lead(int size)
{
    int high, low, rest = size - ty_power_below(size, &high);
    ty_power_below(rest > 0 ? rest : size, &low);
    return rest > 0 ? high - 1 - low : 0;
}

/* [s] that the way up is shorter than its steps: where one piece alone comes to a root, it has the port for itself. That is
 * so in the last step when one subtree is ahead and nobody is above; and in every step when the one ahead, or one on its
 * right, has sent all before the other begins. */
static double spared(const ty_costing *c, int P, int k, size_t piece)
{
    const int N = in_trees(P);
    int alone = P == N && lead(N) > 0;
    for (int size = N; size > 1; size -= ty_power_below(size, NULL))
        alone |= k <= lead(size) + (lead(size - ty_power_below(size, NULL)) > 0);
    double add = lead(N) > 0 ? ty_costing_work(c, ty_work_add(piece)) : 0;
    return alone ? ty_costing_message(c, 2 * piece) - ty_costing_message(c, piece) + add : 0;
}

static ty_cost cost(const ty_costing *c, int P, int me, size_t n)
{
    ty_cost r = {0};
    if (P == 1)
        return r;
    const int L = fill(P), k = ty_pieces(c->net, c->piece_bytes, L, n);
    const size_t piece = largest(n, k);
    const double add = ty_costing_work(c, ty_work_add(piece));
    edge e[EDGES];
    for (int j = 0, all = edges(P, me, e); j < all; j++) { /* to a parent up, to a child down */
        r.messages += k;
        r.bytes += (double)(ty_chunk_size(n, 2, e[j].half) * sizeof(float));
        r.compute_s += e[j].below ? k * add : 0;
        r.peak_bytes += e[j].below ? (double)(piece * sizeof(float)) : 0;
    }
    r.seconds = (L + k) * 2 * (ty_costing_message(c, 2 * piece) + add) - spared(c, P, k, piece);
    return r;
}

const ty_collective ty_allreduce_double_tree = {
    .op = TY_ALLREDUCE,
    .name = "double-tree",
    .summary = "two binary trees in which nobody is an inner member of both, in pieces",
    .source = "Sanders, Speck & Traff, Parallel Computing 35(12), 2009",
    .run = run,
    .cost = cost,
};
