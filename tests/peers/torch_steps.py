#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whole training steps beside PyTorch: the networks of `trainyard bench step`, in turns, in one run.

A step is zero_grad, forward, loss, backward, SGD with momentum 0.9. trainyard's step also loads its batch (decodes
bytes to floats); PyTorch's takes views of floats that are there already.

A round times each side in a process of its own (its threads bound to processors of their own, PyTorch with the OpenMP
OpenBLAS at its best kernels), one after the other; the figure of a side is the median over the rounds of each process's
median step. A round that saw a neighbour on its processors is marked and repeated: by the ruler, fused multiply-adds on
registers that trainyard measures before and after the PyTorch processes and around its own bursts, or by the time
that PyTorch's threads waited for a processor, as the kernel counts it.

Needs Debian's python3-torch and libopenblas0-openmp; nothing here is run by the tests.
"""
import argparse
import csv
import io
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OPENBLAS = "openblas-openmp"  # folder of Debian's OpenMP flavour, below the libraries of the architecture
PYTHON = "/usr/bin/python3"   # Debian's: the one that python3-torch belongs to
NETWORKS = ["mlp", "lenet", "cnn", "gpt", "lstm"]
ALONE = 0.9                   # share of the peak that processors without a neighbour give
WAITS = 0.02                  # part of their time that threads without one wait for a processor, at most;
THROTTLED = 0.05              # real-time class: the kernel keeps so much for others


# ---- the networks in PyTorch ------------------------------------------------------------------------------


def mlp(torch):
    nn = torch.nn
    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))
    return net, images(torch, 128, (784,)), 0.02


def lenet(torch):
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    return net, images(torch, 64, (1, 28, 28)), 0.02


def cnn(torch):
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10))
    return net, images(torch, 64, (1, 28, 28)), 0.01


def gpt(torch):
    """GPT-2's blocks: L4 d256 h4 T128 V256, tied output layer. Attention as nanoGPT writes it (1.13 has no fused one)."""
    nn, functional = torch.nn, torch.nn.functional
    layers, width, heads, context, vocabulary, batch = 4, 256, 4, 128, 256, 8

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.register_buffer("mask", torch.tril(torch.ones(context, context)).view(1, 1, context, context) == 0)
            self.gelu = nn.GELU()

        def attention(self, x):
            rows, length, _ = x.shape
            q, k, v = self.qkv(x).split(width, dim=2)
            q, k, v = (t.view(rows, length, heads, width // heads).transpose(1, 2) for t in (q, k, v))
            score = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(width // heads))
            share = functional.softmax(score.masked_fill(self.mask, float("-inf")), dim=-1)
            return self.proj((share @ v).transpose(1, 2).reshape(rows, length, width))

        def forward(self, x):
            x = x + self.attention(self.norm1(x))
            return x + self.narrow(self.gelu(self.wide(self.norm2(x))))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.position = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(layers))), nn.LayerNorm(width)
            nn.init.normal_(self.table.weight, std=0.02)
            nn.init.normal_(self.position.weight, std=0.02)

        def forward(self, tokens):
            x = self.table(tokens) + self.position.weight
            return (self.norm(self.blocks(x)) @ self.table.weight.t()).view(-1, vocabulary)

    return Gpt(), text(torch, batch, context, vocabulary), 0.02


def lstm(torch):
    """A character model: embedding 128, LSTM 256 over 64 steps, a linear layer on the last to 256 characters."""
    nn = torch.nn
    vocabulary, embedding, width, context, batch = 256, 128, 256, 64, 32

    class Lstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(vocabulary, embedding)
            self.lstm, self.head = nn.LSTM(embedding, width, batch_first=True), nn.Linear(width, vocabulary)

        def forward(self, tokens):
            return self.head(self.lstm(self.table(tokens))[0][:, -1])

    batches = [(x, labels[context - 1::context]) for x, labels in text(torch, batch, context, vocabulary)]
    return Lstm(), batches, 0.05


def images(torch, batch, shape):
    """Batches of ten patterns under noise, each with its label: views, as free as a batch can be."""
    labels = torch.randint(10, (16 * batch,))
    x = torch.randn(10, *shape)[labels] + 0.5 * torch.randn(16 * batch, *shape)
    return [(x[i:i + batch], labels[i:i + batch]) for i in range(0, len(x), batch)]


def text(torch, batch, context, vocabulary):
    """Batches of a text in which the next character follows from the last one."""
    first = torch.randint(vocabulary, (16 * batch, 1))
    run = (first + 7 * torch.arange(context + 1)) % vocabulary
    return [(run[i:i + batch, :-1].contiguous(), run[i:i + batch, 1:].reshape(-1)) for i in range(0, len(run), batch)]


# ---- one PyTorch process ----------------------------------------------------------------------------------


def quantile(values, q):
    values, at = sorted(values), q * (len(values) - 1)
    low = int(at)
    return values[low] + (at - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def falls(losses):
    quarter = (len(losses) + 3) // 4
    return statistics.mean(losses[-quarter:]) < statistics.mean(losses[:quarter])


def loaded_blas():
    """The BLAS that this process really mapped."""
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in line and ".so" in line}
    return sorted(os.path.realpath(f) for f in files)


def waited():
    """Seconds that this process's threads were ready to run while others had their processors, so far."""
    total = 0
    for task in os.listdir("/proc/self/task"):
        with open("/proc/self/task/%s/schedstat" % task) as f:
            total += int(f.read().split()[1])
    return 1e-9 * total


def time_torch(name, seconds):
    """Train for so long after a warm-up, print one JSON object."""
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    net, batches, rate = globals()[name](torch)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    times, losses, step, begin = [], [], 0, None
    while begin is None or time.perf_counter() < begin + seconds or len(times) < 5:
        x, labels = batches[step % len(batches)]
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        spent = time.perf_counter() - start
        losses.append(loss.item())
        step += 1
        if begin is not None:
            times.append(spent)
        elif step >= 5:
            begin, waits = time.perf_counter(), waited()
    waits = (waited() - waits) / (time.perf_counter() - begin)
    print(json.dumps({
        "seconds": statistics.median(times), "low": quantile(times, 0.1), "high": quantile(times, 0.9),
        "steps": len(times), "waits": waits, "falls": falls(losses), "version": torch.__version__, "blas": loaded_blas(),
        "parameters": sum(p.numel() for p in net.parameters()), "threads": torch.get_num_threads()}))


# ---- the two sides ----------------------------------------------------------------------------------------


def fail(message):
    sys.exit("torch_steps: " + message)


def openblas_folder():
    for folder in ["/usr/lib/" + os.uname().machine + "-linux-gnu", "/usr/lib64", "/usr/lib"]:
        if os.path.exists(os.path.join(folder, OPENBLAS, "libblas.so.3")):
            return os.path.join(folder, OPENBLAS)
    fail("the OpenMP OpenBLAS is missing, and PyTorch would be timed with a slower one: "
         "apt-get install libopenblas0-openmp")


def torch_environment(threads):
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env.update(LD_LIBRARY_PATH=openblas_folder(), OMP_NUM_THREADS=str(threads), OMP_PROC_BIND="true",
               PYTHONDONTWRITEBYTECODE="1")
    return env


def check_torch():
    found = subprocess.run([PYTHON, "-c", "import torch"], capture_output=True, text=True, check=False)
    if found.returncode:
        fail("PyTorch is missing for %s: apt-get install python3-torch (%s)"
             % (PYTHON, (found.stderr.strip().splitlines() or ["no message"])[-1]))


def prefix(args):
    return ["chrt", "-f", "1"] if args.realtime else []


def torch_side(args, name, threads):
    command = prefix(args) + [PYTHON, os.path.abspath(__file__), "--one", name, "--seconds", str(args.seconds)]
    done = subprocess.run(command, env=torch_environment(threads), capture_output=True, text=True, check=False)
    if done.returncode:
        fail("PyTorch failed on %s: %s" % (name, done.stderr.strip()[-400:]))
    return json.loads(done.stdout.splitlines()[-1])


def bench(args, *words):
    command = prefix(args) + [args.trainyard, "bench", "step", "--csv", "-", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        fail("`%s` failed: %s" % (" ".join(command), done.stderr.strip()[-400:]))
    return [row for row in csv.DictReader(io.StringIO(done.stdout)) if row["part"] == "step"]


def trainyard_side(args, name, threads):
    """Step time [s] by number of threads: one process, 1 thread and several in turns."""
    rows = bench(args, "--filter", name, "--threads", str(threads), *(["--quick"] if args.quick else []))
    return {int(row["threads"]): row for row in rows}


def ruler(args, threads):
    """Share of the multiply-add peak that `threads` processors give us now; 1: nobody beside us."""
    rows = bench(args, "--filter", "mlp", "--threads", str(threads), "--quick")
    return min(float(row["alone"]) for row in rows)


# ---- rounds and what they say -----------------------------------------------------------------------------


def one_round(args, name, counts):
    """Seconds of a step: {(side, threads): s}; share of the peak before and after, and the time PyTorch had to wait."""
    found, most, waits = {}, max(counts), 0
    before = ruler(args, most)
    for threads in counts:
        result = torch_side(args, name, threads)
        if not result["falls"]:
            fail("PyTorch's loss does not fall on %s" % name)
        found["torch", threads] = result["seconds"]
        waits = max(waits, result["waits"] / threads)
    after = ruler(args, most)
    for threads, row in trainyard_side(args, name, most).items():
        found["trainyard", threads] = float(row["seconds"])
        after = min(after, float(row["alone"]))
    return found, (before, after), waits


def rounds_of(args, name, counts):
    """{(side, threads): [s, ...]} of the undisturbed rounds; of all when most were disturbed."""
    clean, every = [], []
    while len(clean) < args.rounds and len(every) < 3 * args.rounds:
        found, share, waits = one_round(args, name, counts)
        alone = min(share) >= ALONE and waits < WAITS + THROTTLED * args.realtime
        every.append(found)
        if alone:
            clean.append(found)
        print("  %-6s round %d: %s  ruler %.2f %.2f, waits %.1f %%%s" % (
            name, len(every), "  ".join("%s %d: %.2f ms" % (side, threads, 1e3 * s)
                                        for (side, threads), s in sorted(found.items())),
            *share, 100 * waits, "" if alone else "  disturbed"), file=sys.stderr, flush=True)
    enough = 2 * len(clean) >= args.rounds
    used = clean if enough else every
    return {key: [found[key] for found in used] for key in used[0]}, enough, len(every) - len(clean)


def span(seconds):
    return "%.2f (%.2f..%.2f)" % (1e3 * statistics.median(seconds), 1e3 * min(seconds), 1e3 * max(seconds))


def table(args, names, counts):
    ratios, rows = {threads: [] for threads in counts}, []
    print("%-6s %3s  %-24s %-24s %6s" % ("net", "thr", "PyTorch ms (least..most)", "trainyard ms", "ratio"),
          flush=True)
    for name in names:
        times, enough, dropped = rounds_of(args, name, counts)
        for threads in counts:
            peer, own = times["torch", threads], times["trainyard", threads]
            ratio = statistics.median(peer) / statistics.median(own)
            ratios[threads].append(ratio)
            rows.append([name, threads, statistics.median(peer), statistics.median(own), ratio, len(peer), dropped,
                         int(not enough)])
            print("%-6s %3d  %-24s %-24s %6.2f%s" % (name, threads, span(peer), span(own), ratio,
                                                    "" if enough else "  disturbed"), flush=True)
    for threads, values in ratios.items():
        mean = math.exp(sum(map(math.log, values)) / len(values))
        print("geometric mean, %d thread%s: %.2f (least %.2f)" % (threads, "s" * (threads > 1), mean, min(values)))
    return rows


def print_versions(args):
    result = torch_side(argparse.Namespace(**{**vars(args), "seconds": 0.1}), "mlp", 1)
    version = subprocess.run([args.trainyard, "--version"], capture_output=True, text=True, check=False).stdout
    print("PyTorch %s with %s" % (result["version"], ", ".join(result["blas"]) or "no BLAS found among its maps"))
    print("%s" % version.strip().splitlines()[0] if version else "trainyard")
    print("%d rounds of %.1f s a side; ratio: PyTorch's time over trainyard's\n" % (args.rounds, args.seconds))


def write_rows(path, rows):
    with open(path, "w", encoding="ascii", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow("network threads torch_s trainyard_s ratio rounds dropped disturbed".split())
        out.writerows(rows)


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="*", metavar="NETWORK", help="of %s; default: all" % ", ".join(NETWORKS))
    p.add_argument("--trainyard", default=os.path.join(HERE, "..", "..", "build", "release", "trainyard"),
                   help="the program [build/release/trainyard]")
    p.add_argument("--threads", default="1,2", help="numbers of threads, 1 among them [1,2]")
    p.add_argument("--rounds", type=int, default=5, help="undisturbed rounds to take the median of [5]")
    p.add_argument("--seconds", type=float, default=2, help="of steps in a PyTorch process, after its warm-up [2]")
    p.add_argument("--quick", action="store_true", help="shorter trainyard processes")
    p.add_argument("--realtime", action="store_true", help="run both sides in real-time class (chrt -f 1; needs root): "
                   "neighbours of ordinary class do not disturb")
    p.add_argument("--csv", help="also write the medians here")
    p.add_argument("--one", choices=NETWORKS, help=argparse.SUPPRESS)  # the process of one side
    args = p.parse_args()
    wrong = [name for name in args.networks if name not in NETWORKS]
    if wrong:
        p.error("unknown network '%s'; use %s" % (wrong[0], ", ".join(NETWORKS)))
    return args


def main():
    args = parse()
    if args.one:
        time_torch(args.one, args.seconds)
        return
    try:
        counts = sorted({int(n) for n in args.threads.split(",")})
    except ValueError:
        fail("--threads %s: give numbers with commas between" % args.threads)
    if counts[0] != 1 or len(counts) > 2:
        fail("--threads %s: give 1, or 1 and another number" % args.threads)
    if not os.access(args.trainyard, os.X_OK):
        fail("no program at %s: build it (./yard build), or give --trainyard" % args.trainyard)
    if args.realtime and not shutil.which("chrt"):
        fail("--realtime needs chrt: apt-get install util-linux")
    check_torch()
    print_versions(args)
    rows = table(args, args.networks or NETWORKS, counts)
    if args.csv:
        write_rows(args.csv, rows)


if __name__ == "__main__":
    main()
