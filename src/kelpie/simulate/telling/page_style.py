"""How a run's page looks, by day and by night, and the few lines of script it could do without."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --raised: #fff; --ink: #23272b; --soft: #687078; --rule: #dcdad3; --lane: #c9c6bc;
  --named: #fff3cf; --same: #e7eff7; --good: #1a7f4b; --bad: #c4262e; --bad-paper: #fdecec;
  --crash: #c4262e; --network: #7a4fc9; --disk: #a3640b; --model: #0f7c86; --tool: #4e7a17; --clock: #b2338c;
  --resource: #58636e; --client: #2f6fb5;
  --dashes: repeating-linear-gradient(var(--crash) 0 3px, transparent 3px 6px);
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --raised: #1e2125; --ink: #e3e4e6; --soft: #959da6; --rule: #33373c; --lane: #474c53;
    --named: #3a3213; --same: #1f2d3b; --good: #5cc98e; --bad: #ff7b7b; --bad-paper: #3a1d1f;
    --crash: #ff7b7b; --network: #b596ff; --disk: #e3a648; --model: #52c7d1; --tool: #a0cf62; --clock: #f08acb;
    --resource: #a5b0bb; --client: #7fb4ee;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
header, main { padding: 0 28px; }
header { padding-top: 24px; max-width: 1100px; }
code, .time, .event, .kind { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
a { color: inherit; text-decoration-thickness: 1px; text-underline-offset: 3px; font-weight: 600; }
h1 { margin: 0; font-size: 26px; line-height: 1.2; letter-spacing: -0.01em; }
p { margin: 0; }
.kicker { color: var(--soft); font-size: 12px; letter-spacing: 0.08em; text-transform: uppercase; }
.promise { color: var(--soft); font-size: 16px; margin: 4px 0 16px; }
.kept { color: var(--good); font-weight: 600; }
.broken { margin: 0; padding: 10px 16px; list-style: none; background: var(--bad-paper);
  border-left: 4px solid var(--bad); }
.broken li + li { margin-top: 8px; padding-top: 8px; border-top: 1px solid var(--rule); }
.broken b { color: var(--bad); }
.at { color: var(--soft); font-size: 12px; }
.replay { display: flex; gap: 8px; align-items: center; margin: 16px 0; }
.replay code { padding: 6px 10px; background: var(--raised); border: 1px solid var(--rule); border-radius: 6px; }
button { font: inherit; font-size: 12px; color: var(--soft); background: none; border: 1px solid var(--rule);
  border-radius: 6px; padding: 6px 10px; cursor: pointer; }
button:hover { color: var(--ink); }
dl { margin: 0 0 20px; display: grid; gap: 4px; }
dl div { display: grid; grid-template-columns: 150px 1fr; gap: 8px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
dd code { font-size: 12px; }
.chip { display: inline-block; margin: 0 6px 4px 0; padding: 0 8px; border: 1px solid var(--rule);
  border-radius: 99px; background: var(--raised); font-size: 12px; }

.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center; padding: 10px 0; font-size: 12px;
  color: var(--soft); border-top: 1px solid var(--rule); }
.legend label { display: flex; gap: 6px; align-items: center; color: var(--ink); margin-right: auto; }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.legend input { margin: 0; }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 50%; border: 2px solid transparent; }
.key-bar { width: 8px; height: 14px; border: 0; border-radius: 4px; opacity: 0.45; background: var(--network); }
.key-down { width: 4px; height: 14px; border: 0; border-radius: 0; background: var(--dashes); }
.key-busy { width: 4px; height: 14px; border: 0; border-radius: 0; opacity: 0.55; background: var(--client); }

table { border-collapse: collapse; width: 100%; margin-bottom: 40px; }
thead th { position: sticky; top: 0; z-index: 2; background: var(--paper); color: var(--soft); font-size: 12px;
  font-weight: 500; text-align: left; vertical-align: bottom; padding: 8px 8px 6px;
  box-shadow: 0 1px var(--rule); }
thead th.lane { padding: 8px 0 6px; }
thead th.lane span { display: block; width: 26px; writing-mode: vertical-rl; transform: rotate(180deg);
  line-height: 26px; }
tbody tr { --dot: 7px; }
tbody tr.pause { --dot: 29px; }
td { padding: 2px 8px; vertical-align: top; }
tr.pause td { padding-top: 24px; }
.time { text-align: right; color: var(--soft); font-size: 12px; white-space: nowrap; width: 1%; }
td.time { line-height: 20px; }
tr.pause td.time { padding-top: 6px; }
td.time small { display: block; margin-bottom: 4px; line-height: 14px; font: italic 11px system-ui, sans-serif; }
td.who { color: var(--soft); white-space: nowrap; width: 1%; }
td.what { overflow-wrap: anywhere; }

td.lane, tr.pause td.lane { position: relative; padding: 0; }
td.lane::before { content: ""; position: absolute; left: 12px; top: 0; bottom: 0; width: 2px;
  background: var(--lane); }
td.lane::after { content: none; position: absolute; left: 11px; top: 0; bottom: 0; width: 4px; }
td.lane.busy::after { content: ""; background: var(--client); opacity: 0.6; }
td.lane.down::after, td.lane.paused::after { content: ""; background: var(--dashes), var(--paper); }
td.lane.begins::after { top: calc(var(--dot) + 5px); }
td.lane.ends::after { bottom: auto; height: calc(var(--dot) + 5px); }
td.lane.begins.ends::after { content: none; }
.bar, .dot { z-index: 1; }
.bar { position: absolute; left: calc(8px + 12px * var(--slot, 0)); width: 10px; top: 0; bottom: 0; opacity: 0.4;
  background: var(--soft); }
.bar.first { top: var(--dot); border-radius: 5px 5px 0 0; }
.bar.last { bottom: auto; height: calc(var(--dot) + 10px); border-radius: 0 0 5px 5px; }
.bar.first.last { height: 14px; border-radius: 5px; }
.dot { position: absolute; left: calc(8px + 12px * var(--slot, 0)); top: var(--dot); width: 10px; height: 10px;
  border-radius: 50%; border: 2px solid var(--paper); background: var(--ink); }
.dot-answer { background: var(--client); }
.dot-log { background: var(--paper); border-color: var(--soft); }
.dot-fault { background: var(--crash); }
.dot-broken { background: var(--bad); outline: 2px solid var(--bad); }

.is-fault .who, .is-broken .who { color: inherit; }
.is-broken td { background: var(--bad-paper); color: var(--bad); font-weight: 600; }
.is-log .what { color: var(--soft); font-size: 13px; }
.named td { background: var(--named); }
.same td { background: var(--same); }
:target td { box-shadow: inset 0 1px var(--ink), inset 0 -1px var(--ink); }
tr[id] { scroll-margin-top: 160px; }
.event { font-size: 12px; color: var(--soft); border: 1px solid var(--rule); border-radius: 4px; padding: 0 4px;
  background: var(--raised); }
.kind { font-size: 13px; }
summary { cursor: pointer; }
.bar.of-crash { background: var(--crash); } .kind.of-crash { color: var(--crash); }
.bar.of-network { background: var(--network); } .kind.of-network { color: var(--network); }
.bar.of-disk { background: var(--disk); } .kind.of-disk { color: var(--disk); }
.bar.of-model { background: var(--model); } .kind.of-model { color: var(--model); }
.bar.of-tool { background: var(--tool); } .kind.of-tool { color: var(--tool); }
.bar.of-clock { background: var(--clock); } .kind.of-clock { color: var(--clock); }
.bar.of-resource { background: var(--resource); } .kind.of-resource { color: var(--resource); }
body:has(#few:checked) tr.plain { display: none; }
@media (max-width: 700px) {
  header, main { padding: 0 12px; }
  .lane { display: none; }
  dl div { grid-template-columns: 1fr; gap: 0; }
}
"""

SCRIPT = """
const rows = [...document.querySelectorAll("tr[data-event]")];
document.querySelector("tbody").addEventListener("mouseover", ({target}) => {
  const event = target.closest("tr")?.dataset.event;
  for (const row of rows) row.classList.toggle("same", row.dataset.event === event);
});
const button = document.querySelector(".replay button");
button.addEventListener("click", async () => {
  await navigator.clipboard.writeText(button.previousElementSibling.textContent);
  button.textContent = "copied";
});
"""
