# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures out of results: a table in Markdown, a plot."""
import os
import platform
import shutil
import statistics
import subprocess

COST = {"conn": "us", "rate": "us", "msg": "us", "GB": "ms/GB", "mem": "KiB"}
RATE = {"conn": "/s", "rate": "ms p99", "msg": "/s", "GB": "GB/s", "mem": "conns"}


def figures(s, r):
    """Cost (what the target is about), rate and latencies of a run that is not void."""
    units = max(r["units"], 1)
    seconds = max(r["wall_ns"], 1) / 1e9
    lat = [r[k] / 1e6 for k in ("p50_ns", "p99_ns", "p999_ns")]
    if s.unit == "mem":
        return {"cost": r["memory"] / 1024, "rate": 0, "lat": lat}
    if s.unit == "GB":
        return {"cost": r["cpu_ns"] / 1e6 / (units / 1e9), "rate": units / 1e9 / seconds,
                "lat": lat}
    if s.unit == "rate":
        return {"cost": r["cpu_ns"] / 1e3 / units, "rate": lat[1], "lat": lat}
    return {"cost": r["cpu_ns"] / 1e3 / units, "rate": units / seconds, "lat": lat}


def by_round(results, s, workers):
    """{proxy: {round: figures}} of what is not void."""
    table = {}
    for r in results:
        if r["scenario"] == s.name and r["workers"] == workers and "failed" not in r:
            table.setdefault(r["proxy"], {})[r["round"]] = figures(s, r)
    return table


def judged(s, f):
    """The figure that is compared: CPU time or memory; at a fixed rate the p99."""
    return f["rate"] if s.unit == "rate" else f["cost"]


def ratios(results, s, workers, all_scenarios):
    """Postern against the best of the others in the same round; their median, and who was best."""
    table = by_round(results, s, workers)
    mine = table.get("postern", {})
    if s.against:
        base = next(x for x in all_scenarios if x.name == s.against)
        others = {"Postern, " + s.against: by_round(results, base, workers).get("postern", {})}
    else:
        others = {p: t for p, t in table.items() if not p.startswith(("postern", "bare"))}
    found, best = [], []
    for n, f in mine.items():
        at = [(judged(s, t[n]), p) for p, t in others.items() if n in t]
        if at:
            found.append(judged(s, f) / min(at)[0])
            best.append(min(at)[1])
    return found, max(set(best), key=best.count) if best else None, others


def floor(s, table, best):
    """The bare relay against that peer, where it was measured with it."""
    both = set(table.get("bare", {})) & set(table.get(best, {}))
    found = [judged(s, table["bare"][n]) / judged(s, table[best][n]) for n in both]
    return f"{statistics.median(found):.2f}" if found else ""


def number(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def spread(values):
    v = sorted(values)
    if len(v) == 1:
        return number(v[0])
    return f"{number(statistics.median(v))} ({number(v[0])}-{number(v[-1])})"


def cell(s, runs, which):
    return spread([f[which] for f in runs.values()]) if runs else "-"


def latency(runs):
    if not runs or not any(f["lat"][0] for f in runs.values()):
        return ""
    return " / ".join(number(statistics.median(f["lat"][i] for f in runs.values()))
                      for i in range(3))


def rate_text(s, runs):
    if not runs or s.unit in ("mem", "rate"):
        return ""
    x = statistics.median(f["rate"] for f in runs.values())
    return f"{x:.2f} GB/s" if s.unit == "GB" else f"{x / 1000:.1f} k/s"


def comparison(results, all_scenarios, workers):
    """Postern against the best peer, a line per scenario."""
    rows = ["| scenario | unit | Postern | best peer | | ratio | target | bare relay | "
            "Postern, its rate | peer's | Postern p50 / p99 / p99.9 ms | peer's |",
            "|---" * 12 + "|"]
    for s in all_scenarios:
        table = by_round(results, s, workers)
        mine = table.get("postern")
        found, best, others = ratios(results, s, workers, all_scenarios)
        if not mine:
            continue
        theirs = others.get(best, {})
        which = "rate" if s.unit == "rate" else "cost"
        unit = "ms p99" if s.unit == "rate" else COST[s.unit]
        ratio = f"**{statistics.median(found):.2f}**" if found else "-"
        rows.append(f"| {s.title} | {unit} | {cell(s, mine, which)} | {best or '-'} | "
                    f"{cell(s, theirs, which)} | {ratio} | {s.target:.2f} | "
                    f"{floor(s, table, best)} | {rate_text(s, mine)} | {rate_text(s, theirs)} | {latency(mine)} | "
                    f"{latency(theirs)} |")
    return rows if len(rows) > 2 else []


def everyone(results, all_scenarios, workers):
    """CPU time (or memory) of all, a line per scenario."""
    names = []
    for r in results:
        if r["workers"] == workers and r["proxy"] not in names:
            names.append(r["proxy"])
    names.sort(key=lambda n: (n != "postern", n))
    rows = ["| scenario | unit | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for s in all_scenarios:
        table = by_round(results, s, workers)
        if table and not s.against:
            cells = []
            for n in names:
                runs = table.get(n)
                text = number(statistics.median(f["cost"] for f in runs.values())) if runs else ""
                rate = rate_text(s, runs)
                cells.append(text + (f", {rate}" if rate else ""))
            rows.append(f"| {s.name} | {COST[s.unit]} | " + " | ".join(cells) + " |")
    return rows


def void(results):
    """Runs with errors, said once each."""
    seen = {}
    for r in results:
        if "failed" in r:
            lines = r["failed"].splitlines()
            key = (r["scenario"], r["proxy"], r["workers"], lines[-1][:160] if lines else "")
            seen[key] = seen.get(key, 0) + 1
    return [f"* {n} void: {k[0]}, {k[1]}, {k[2]} workers: {k[3]}" for k, n in seen.items()]


def negotiated(results):
    """What was really spoken, for whoever doubts that it was the same."""
    seen = {}
    for r in results:
        if r.get("negotiated"):
            seen.setdefault((r["scenario"], r["negotiated"]), set()).add(r["proxy"])
    return [f"* {k[0]}: {k[1]}: " + ", ".join(sorted(v)) for k, v in seen.items()]


def markdown(results, all_scenarios):
    out = []
    for workers in sorted({r["workers"] for r in results}):
        rows = comparison(results, all_scenarios, workers)
        out += [f"### {workers} worker{'s' if workers > 1 else ''}", "",
                "Median (least-most) over the rounds; the ratio is that of each round to the best "
                "peer of that round. Below 1 Postern needs less.", "", *rows, "",
                "All proxies: CPU time or memory, then rate.", "",
                *everyone(results, all_scenarios, workers), ""]
    if void(results):
        out += ["Void runs", "", *void(results), ""]
    if negotiated(results):
        out += ["Negotiated", "", *negotiated(results), ""]
    return "\n".join(out)


def plot(results, all_scenarios, path):
    """Ratios of all as bars, best peer = 1, as SVG."""
    if shutil.which("gnuplot") is None:
        return
    lines = []
    workers = min(r["workers"] for r in results)
    for s in all_scenarios:
        found, best, _ = ratios(results, s, workers, all_scenarios)
        if found:
            lines.append(f'"{s.name}" {statistics.median(found):.3f} {min(found):.3f} '
                         f'{max(found):.3f} {s.target} "{best}"')
    if not lines:
        return
    data = path + ".data"
    with open(data, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")
    script = f'''set terminal svg size 1000,{140 + 26 * len(lines)} font "sans,12"
set output "{path}"
set title "Postern / best peer: CPU time per unit of work, memory, p99 (below 1: Postern needs less)"
set yrange [-1:{len(lines)}] reverse
set xrange [0:*]
set style fill solid 0.6
set grid xtics
set key bottom right
set arrow from 1, graph 0 to 1, graph 1 nohead lw 2
set ytics nomirror
plot "{data}" using ($2/2):0:($2/2):(0.35):ytic(sprintf("%s  (%s)", strcol(1), strcol(6))) \\
 with boxxyerror lc rgb "#4477aa" title "Postern", \\
 "" using 2:0:3:4 with xerrorbars lc rgb "#222222" pt 0 title "least-most", \\
 "" using 5:0 with points pt 1 lc rgb "#cc3311" title "target"
'''
    subprocess.run(["gnuplot"], input=script, text=True, check=False)
    os.unlink(data)


def first_line(*argv):
    try:
        out = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return ((out.stdout + out.stderr).splitlines() or [""])[0].strip()


def machine(kinds, postern):
    """What it was measured on."""
    import proxies
    cpu = "?"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for text in f:
            if text.startswith("model name"):
                cpu = text.split(":", 1)[1].strip()
    facts = [f"{os.cpu_count()} CPUs, {cpu}; {platform.system()} {platform.release()}; "
             f"load average at the end {os.getloadavg()[1]:.1f}",
             first_line(postern, "-V")]
    return facts + [proxies.version(k) for k in kinds]
