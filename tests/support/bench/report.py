"""The figures as a page of Markdown."""

import os
import platform

from measure import median

HEAD = """# Benchmarks

Made by `make bench`: {runs} runs of each, the contenders by turns, medians. {machine}.
{versions}. Servers of their own: PostgreSQL with {postgres}; MariaDB with {mariadb}.

*techcare-db* makes keys, indexes, foreign keys and identities, has the servers gather statistics (`ANALYZE`) and proves the
content. The *floor* is the engine's own bulk load of a ready file into the same tables with the same keys, which gathers
none and proves nothing (`\\copy … (FORMAT binary)`, `LOAD DATA LOCAL INFILE`, for SQLite one prepared `INSERT` a table of
rows from memory, without a journal). *Content* says what `check --against` found after every run; figures of a contender whose target does not hold
what the source holds are in brackets and count for nothing. Ratios are of wall seconds to the floor's. Compare ratios,
not seconds. Memory is that of the client's largest process; below 20 MiB it may be that of the program that started it.
"""


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()} {platform.release()}"


def table(results):
    """`results`: runs by contender, the floor among them."""
    lines = ["| contender | seconds | × floor | client CPU | server CPU | peak memory, MiB | content |",
             "| --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    floor = results.get("floor") or []
    base = median(floor, "seconds") if floor and not any(r.failed for r in floor) else None
    for name, runs in results.items():
        failed = next((run.failed for run in runs if run.failed), None)
        seconds = median(runs, "seconds")
        figures = [f"{seconds:.2f}", f"{seconds / base:.2f}" if base else "–", f"{median(runs, 'client'):.2f}",
                   f"{median(runs, 'server'):.2f}", f"{max(run.memory for run in runs) // 1024}"]
        if failed:
            figures = [f"({figure})" for figure in figures]
        word = "the same" if failed is None else failed.replace("|", "\\|")
        lines.append(f"| {name} | {' | '.join(figures)} | {word} |")
    return "\n".join(lines)


def page(engines, sections, missing, runs):
    versions = ", ".join(engine.version() for engine in engines.values())
    text = HEAD.format(runs=runs, machine=machine(), versions=versions, postgres=engines["postgres"].settings(),
                       mariadb=engines["mariadb"].settings())
    if missing:
        text += f"\nNot installed here (`make bench-peers`): {', '.join(missing)}.\n"
    for title, routes in sections:
        text += f"\n## {title}\n"
        for route, results in routes:
            text += f"\n### {route}\n\n{table(results)}\n"
    return text
