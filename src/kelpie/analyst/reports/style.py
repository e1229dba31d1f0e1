"""How the page looks: light and dark, on a wide screen, on a phone, on paper. It fetches nothing."""

from kelpie.analyst.charts import looks

# A page of data runs no script, loads nothing and sends nothing, whatever a cell holds.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"

STYLE = f"""
:root {{ color-scheme: light dark; --paper: #ffffff; --ink: {looks.INK}; --pale: {looks.PALE_INK}; --line: #dddddd;
  --back: #f5f6f7; --link: #005a8f; --mark: #fff3bf; --good: #1d6f42; --fair: #8a5a00; --bad: #a4262c }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #17191c; --ink: #e8e8e8; --pale: #a8adb3; --line: #3a3e43; --back: #1f2226; --link: #7cc0ec;
    --mark: #4a3f10; --good: #6fcf97; --fair: #f2c14e; --bad: #ff8a80 }}
  .chart svg > rect:first-child {{ fill: var(--paper) }}
  .chart svg [fill="{looks.INK}"] {{ fill: var(--ink) }}
  .chart svg [fill="{looks.PALE_INK}"] {{ fill: var(--pale) }}
  .chart svg [stroke="{looks.GRID}"] {{ stroke: var(--line) }}
}}
* {{ box-sizing: border-box }}
body {{ margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 .4rem; overflow-wrap: anywhere }}
h2 {{ font-size: 1.05rem; margin: 1.8rem 0 .5rem }}
h3 {{ font-size: 1rem; margin: 1rem 0 .3rem }}
p, li {{ overflow-wrap: anywhere }}
a {{ color: var(--link) }}
a.n {{ color: inherit; text-decoration: underline dotted var(--pale); text-underline-offset: .2em }}
a.n:hover, a.n:focus {{ color: var(--link); text-decoration-style: solid }}
article + article {{ border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 2rem }}
.meta {{ color: var(--pale); font-size: .9rem; margin: 0 0 1.2rem }}
.took {{ color: var(--pale); font-size: .9rem; white-space: nowrap }} .one {{ white-space: nowrap }}
.label {{ display: inline-block; border: 1px solid currentColor; border-radius: 999px; padding: 0 .6em;
  font-size: .8rem; line-height: 1.5; font-weight: 600 }}
.verified {{ color: var(--good) }} .derived {{ color: var(--fair) }} .unverified, .refused {{ color: var(--bad) }}
.answer > p:first-child {{ font-size: 1.15rem }}
.chart {{ overflow-x: auto }}
.chart svg {{ display: block; max-width: 100%; height: auto }}
.wide {{ overflow-x: auto; margin: .8rem 0 }}
table {{ border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }}
th, td {{ padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }}
th {{ border-bottom: 2px solid var(--line); font-weight: 600; vertical-align: bottom }}
.r {{ text-align: right }}
tr:target, li:target {{ background: var(--mark) }}
details {{ border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; background: var(--back) }}
summary {{ cursor: pointer; padding: .45rem .8rem; overflow-wrap: anywhere }}
details > :not(summary) {{ margin-left: .8rem; margin-right: .8rem }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .6rem 0;
  font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", Consolas, monospace }}
code {{ font-family: ui-monospace, "DejaVu Sans Mono", Consolas, monospace; font-size: .9em }}
.caveats li::marker {{ color: var(--fair) }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem }}
dt {{ color: var(--pale) }} dd {{ margin: 0; overflow-wrap: anywhere }}
@media (max-width: 34rem) {{
  body {{ padding: 1rem .8rem 3rem }} h1 {{ font-size: 1.3rem }} dl {{ grid-template-columns: 1fr; gap: 0 }}
  .chart svg {{ max-width: none; width: 40rem }} dd {{ margin-bottom: .4rem }} th, td {{ padding: .25rem .5rem }}
}}
@media print {{ details > * {{ display: block }} body {{ max-width: none }} }}
""".strip()
