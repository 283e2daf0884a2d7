"""How the report looks, on the screen and on A4 paper."""

from __future__ import annotations

STYLESHEET = """
@page {
  size: A4; margin: 16mm 14mm 18mm 14mm;
  @bottom-left { content: "Oarlock commissioning report REPORT_ID"; font: 8pt sans-serif; }
  @bottom-right { content: "Page " counter(page) " of " counter(pages); font: 8pt sans-serif; }
}
* { box-sizing: border-box; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
body { font: 10pt/1.4 "Liberation Sans", "DejaVu Sans", Arial, Helvetica, sans-serif;
  color: #111; background: #fff; max-width: 182mm; margin: 0 auto; }
h1 { font-size: 20pt; margin: 0 0 2mm; }
h2 { font-size: 14pt; margin: 0 0 3mm; border-bottom: 0.5mm solid #345; padding-bottom: 1mm; }
h3 { font-size: 11pt; margin: 5mm 0 1.5mm; }
h2, h3 { break-after: avoid; }
p { margin: 0 0 2mm; }
ul, ol { margin: 0 0 2mm; padding-left: 6mm; }
li { margin-bottom: 1mm; }
section { break-before: page; padding-top: 4mm; }
section:first-of-type { break-before: auto; }
table { border-collapse: collapse; width: calc(100% - 0.5mm); margin: 0 0 3mm; font-size: 8.5pt;
  font-variant-numeric: tabular-nums; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { border: 0.2mm solid #999; padding: 0.7mm 1.4mm; text-align: left; vertical-align: top; }
th { background: #e8edf2; font-weight: bold; }
.facts th { width: 36mm; }
.facts td { overflow-wrap: anywhere; }
.numbers td { text-align: right; white-space: nowrap; }
.numbers th { vertical-align: bottom; }
.numbers td:first-child, .measured td:nth-child(2), .summary td:nth-child(2),
.form td:nth-child(2), .structures td:nth-child(3) { text-align: left; }
.structures td:nth-child(3) { white-space: normal; }
.summary { font-size: 8pt; line-height: 1.25; }
.form td { height: 8mm; vertical-align: middle; }
.form th:nth-child(4), .form th:nth-child(n + 6) { width: 19mm; }
.chip { display: inline-block; width: 3.2mm; height: 3.2mm; border: 0.2mm solid #333;
  vertical-align: -0.4mm; margin-right: 1.2mm; }
.verdict { font-size: 13pt; font-weight: bold; padding: 3mm 4mm; margin: 4mm 0;
  border: 0.8mm solid; }
.passed { color: #0a5c2a; } .failed { color: #a80f0f; }
.verdict.passed { background: #e7f5ec; } .verdict.failed { background: #fbe9e9; }
td .failed, td .passed { font-weight: bold; white-space: nowrap; }
.breach { color: #a80f0f; }
.small { font-size: 8pt; color: #444; }
.pictures { display: flex; flex-wrap: wrap; gap: 2mm 4mm; }
figure { margin: 0; width: 88mm; break-inside: avoid; }
figure img { max-width: 100%; display: block; object-fit: contain; object-position: left top; }
.flat img { height: 58mm; } .tall img { height: 96mm; }
figcaption { font-size: 8.5pt; margin-top: 0.6mm; }
.signature { display: grid; grid-template-columns: 1fr 1fr; gap: 2mm 8mm; margin-top: 4mm; }
.line { border-bottom: 0.3mm solid #222; height: 9mm; }
.line { margin-bottom: 1mm; }
.box { display: inline-block; width: 4mm; height: 4mm; border: 0.3mm solid #222;
  vertical-align: -0.6mm; margin-right: 2mm; }
@media screen { body { padding: 8mm 4mm; } section { margin-top: 12mm; } }
"""
