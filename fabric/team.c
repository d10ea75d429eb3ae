/* SPDX-License-Identifier: MIT */
#include "fabric/team.h"

ty_team ty_team_new(ty_rank *r, int channel, int first, int stride, int n)
{
    int me = stride ? (r->id - first) / stride : 0;
    TY_CHECK(channel >= 0 && channel < 256, "channel %d", channel);
    TY_CHECK(me >= 0 && me < n && first + me * stride == r->id, "rank %d is no member of its team",
             r->id);
    return (ty_team){
        .rank = r, .n = n, .me = me, .first = first, .stride = stride, .channel = channel};
}

ty_team ty_team_inbox(ty_rank *r, int channel, int first, int stride, int n)
{
    ty_team t = ty_team_new(r, channel, first, stride, n);
    t.inbox = 1;
    return t;
}

ty_team ty_team_on(const ty_team *t, ty_rank *lane)
{
    ty_team view = *t;
    view.rank = lane;
    return view;
}

static int tag(const ty_team *t)
{
    return t->channel | t->rank->lane << 8 | (t->inbox ? TY_TAG_INBOX : 0);
}

ty_req *ty_team_isend(const ty_team *t, int dst, ty_tensor x)
{
    return ty_isend(t->rank, ty_team_rank(t, dst), tag(t), x.data, ty_bytes(x));
}

ty_req *ty_team_irecv(const ty_team *t, int src, ty_tensor x)
{
    return ty_irecv(t->rank, ty_team_rank(t, src), tag(t), x.data, ty_bytes(x));
}

int ty_team_wait(const ty_team *t, ty_req *q)
{
    return (ty_wait(t->rank, q) - t->first) / (t->stride ? t->stride : 1);
}

void ty_team_send(const ty_team *t, int dst, ty_tensor x)
{
    ty_team_wait(t, ty_team_isend(t, dst, x));
}

void ty_team_recv(const ty_team *t, int src, ty_tensor x)
{
    ty_team_wait(t, ty_team_irecv(t, src, x));
}

int ty_team_recv_any(const ty_team *t, ty_tensor x)
{
    return ty_team_wait(t, ty_irecv(t->rank, TY_ANY, tag(t), x.data, ty_bytes(x)));
}

void ty_sendrecv(const ty_team *t, int dst, ty_tensor out, int src, ty_tensor in)
{
    ty_req *q = ty_team_irecv(t, src, in); /* first: what is expected needs no copy on the way */
    ty_req *s = ty_team_isend(t, dst, out);
    ty_team_wait(t, q);
    ty_team_wait(t, s);
}
