#include "services/page/report_style.h"

namespace closewrite {
namespace {

constexpr char kStyle[] = R"(
:root {
  color-scheme: light dark;
  --page: #f4f6f8; --card: #fff; --text: #1c2128; --quiet: #57606a; --edge: #d5dbe1;
  --grid: #e6eaee; --axis: #8b949e; --ok: #0072b2; --bad: #d1382c; --off: #a3abb4;
  --median: #0072b2; --p95: #d77a00; --warn: #fff4d6; --warn-edge: #d9b44a;
  --source1: #0072b2; --source2: #e69f00; --source3: #009e73; --source4: #cc79a7;
  --source5: #56b4e9; --source6: #d55e00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1217; --card: #171c23; --text: #e3e8ee; --quiet: #98a3af; --edge: #2c343e;
    --grid: #262d36; --axis: #5d6874; --ok: #4ea6dc; --bad: #ff7b6b; --off: #76818d;
    --median: #4ea6dc; --p95: #f0a63c; --warn: #3a3014; --warn-edge: #8a7226;
    --source1: #4ea6dc; --source2: #f0b43c; --source3: #2fc49b; --source4: #dd95bd;
    --source5: #93d0f5; --source6: #f28a3c;
  }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --text: #000; --quiet: #444; --edge: #bbb;
    --grid: #ddd; --axis: #777; --ok: #0072b2; --bad: #d1382c; --off: #a3abb4;
    --median: #0072b2; --p95: #d77a00; --warn: #fff; --warn-edge: #777;
    --source1: #0072b2; --source2: #e69f00; --source3: #009e73; --source4: #cc79a7;
    --source5: #56b4e9; --source6: #d55e00;
  }
  @page { margin: 12mm; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0; }
h3 { font-size: .9rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { margin: 0; }
.about, .meta, footer, .tile dd.more { color: var(--quiet); font-size: .875rem; }
.about { margin-bottom: .5rem; }
.meta { overflow-wrap: anywhere; }
.warning {
  background: var(--warn); border: 1px solid var(--warn-edge); border-radius: 8px;
  margin-top: 1rem; padding: .6rem .9rem;
}
.tiles {
  display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr));
  margin: 1.25rem 0;
}
.tile, .card { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; }
.tile { display: flex; flex-direction: column; min-width: 0; padding: .7rem .9rem; }
.tile dt { color: var(--quiet); font-size: .8rem; }
.tile dd {
  font-size: 1.5rem; font-weight: 600; line-height: 1.3; margin: 0; overflow-wrap: anywhere;
}
.tile dd.more { font-size: .8rem; font-weight: 400; line-height: 1.5; }
.tile.alarm dd:not(.more) { color: var(--bad); }
.card { margin: 0 0 1rem; padding: 1rem; }
.nothing { color: var(--quiet); padding: .75rem 0 .25rem; }
.legend {
  display: flex; flex-wrap: wrap; font-size: .8rem; gap: .15rem 1rem; list-style: none;
  margin: .25rem 0 .5rem; overflow-wrap: anywhere; padding: 0;
}
.legend i {
  background: currentColor; border-radius: 2px; display: inline-block; height: .7rem;
  margin-right: .4rem; vertical-align: -1px; width: .7rem;
}
.chart { display: block; height: auto; width: 100%; }
.chart text { fill: var(--quiet); font-size: 12px; }
.chart .name { fill: var(--text); }
.chart .unit { font-style: italic; }
.chart .grid { stroke: var(--grid); }
.chart .axis { stroke: var(--axis); }
.chart .bar, .chart .dot { fill: currentColor; }
.chart .line { fill: none; stroke: currentColor; stroke-linejoin: round; stroke-width: 1.75; }
.chart .band { fill: currentColor; opacity: .12; }
.chart .hit { fill: transparent; }
.chart g:hover > .hit { fill: var(--axis); fill-opacity: .15; }
.ok { color: var(--ok); } .bad { color: var(--bad); } .off { color: var(--off); }
.median, .mark-line { color: var(--median); } .p95 { color: var(--p95); }
.source1 { color: var(--source1); } .source2 { color: var(--source2); }
.source3 { color: var(--source3); } .source4 { color: var(--source4); }
.source5 { color: var(--source5); } .source6 { color: var(--source6); }
.rest { color: var(--off); }
.legend li > i + * { color: var(--text); }
.narrow { display: none; }
.smalls {
  display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr));
}
.small { min-width: 0; }
.smalls + .about, .smalls + .scroll { margin-top: 1rem; }
details { font-size: .875rem; margin-top: .5rem; }
summary { color: var(--quiet); cursor: pointer; width: fit-content; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; min-width: 100%; }
caption { height: 1px; overflow: hidden; position: absolute; width: 1px; clip-path: inset(50%); }
th, td {
  border-bottom: 1px solid var(--grid); padding: .35rem .6rem; text-align: left;
  vertical-align: top; white-space: nowrap;
}
th { font-weight: 600; }
thead th { color: var(--quiet); font-weight: 500; }
tbody th { font-weight: 500; }
th:first-child, td:first-child { padding-left: 0; }
.number { font-variant-numeric: tabular-nums; text-align: right; }
.name, .text { overflow-wrap: anywhere; white-space: normal; }
td.name, th.name { max-width: 20rem; min-width: 7rem; }
td.text, th.text { min-width: 14rem; }
:focus-visible { outline: 2px solid var(--ok); outline-offset: 2px; }
@media screen and (max-width: 40rem) {
  body { padding: 1rem .6rem 2rem; }
  .card { padding: .75rem; }
  .wide { display: none; }
  .narrow { display: block; margin: 0 auto; max-width: 30rem; }
  .smalls { grid-template-columns: 1fr; }
  .small { max-width: 30rem; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
}
@media print {
  body {
    font-size: 12px; padding: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact;
  }
  .card, .tile, .small, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .tiles { grid-template-columns: repeat(5, 1fr); }
  .tile dd { font-size: 1.25rem; }
  .scroll { overflow: visible; }
  table { font-size: .72rem; }
  th, td { padding: .2rem .35rem; white-space: normal; }
  td.text, th.text, td.name, th.name { min-width: 0; }
  details:not([open]) { display: none; }
}
)";

}  // namespace

std::string_view ReportStyle() { return kStyle; }

}  // namespace closewrite
