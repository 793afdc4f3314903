# Makes markdown tables from slices.csv, instructions.csv and the list of ratios. They are padded,
# so that they can be read in a terminal, too.
# usage: awk -f report.awk ratios.csv slices.csv instructions.csv
# A ratio is taken within each repeat, between slices that ran next to each other; the median of the
# repeats is reported. If a ratio has several rows below, the best one of the repeat counts.

function sorted(list, values,    n, i, j, v) {  # fills values from a blank-separated list
  n = split(list, values, " ")
  for (i = 2; i <= n; i++) {
    v = values[i] + 0
    for (j = i - 1; j > 0 && values[j] + 0 > v; j--) values[j + 1] = values[j]
    values[j + 1] = v
  }
  return n
}
function median(list,    v, n) { n = sorted(list, v); return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 }
function spread(list, format,    v, n) { n = sorted(list, v); return sprintf(format " .. " format, v[1], v[n]) }
# A ratio that doubles from one repeat to another says nothing about an aim. With more than five
# repeats, a sixth of them on either side may be outliers.
function verdict(list, aim,    v, n, ends) {
  n = sorted(list, v)
  ends = int(n / 6)
  if (aim == "") return ""
  if (v[n - ends] > 2 * v[1 + ends]) return "?"
  return (aim ~ /^<=/ ? median(list) <= substr(aim, 3) + 0 : median(list) >= aim + 0) ? "yes" : "no"
}
function add(table, key, value) { if (value != "") table[key] = table[key] " " value }
function cell(format, list) { return list == "" ? "-" : sprintf(format, median(list)) }
function pair(format, table, a, b) { return (a in table) && (b in table) ? sprintf(format " : " format, median(table[a]), median(table[b])) : "-" }
function header(names, widths,    i, n, name, width, rule) {
  n = split(names, name, ","); split(widths, width, ",")
  for (i = 1; i <= n; i++) { printf "| %" width[i] "s ", name[i]; rule = rule "|" sprintf("%" (width[i] < 0 ? -width[i] : width[i]) + 1 "s", "") (width[i] < 0 ? " " : ":") }
  gsub(/ /, "-", rule)
  printf "|\n%s|\n", rule
}
# The value of the best of `rows` in a repeat: the most calls, or the least latency or WAL. Sets
# best_row to that row.
function best(measure, repeat, rows, setting,    i, n, name, v, found) {
  n = split(rows, name, "|")
  for (i = 1; i <= n; i++) {
    v = one[measure, repeat, name[i] "," setting]
    if (v > 0 && (!found || (measure == "tps" ? v > found : v < found))) { found = v; best_row = name[i] }
  }
  return found
}

BEGIN { FS = "," }
FILENAME ~ /ratios/ { ratio_count++; above[ratio_count] = $1; below[ratio_count] = $2; aim[ratio_count] = $3; measure[ratio_count] = $4 == "" ? "tps" : $4; only[ratio_count] = $5; only_clients[ratio_count] = $6; next }
FNR == 1 { next }
FILENAME ~ /slices/ {
  setting = $3 "," $4; key = $2 "," setting
  if (!(key in tps)) order[++keys] = key
  if (!(setting in settings)) { settings[setting] = 1; setting_order[++setting_count] = setting }
  add(tps, key, $6); add(p50, key, $8); add(p99, key, $9); add(wal, key, $10 / $5)
  one["tps", $1, key] = $6; one["p99", $1, key] = $9; one["wal", $1, key] = $10 / $5; if ($1 > repeats) repeats = $1
  if ($2 !~ /sold_out/ && $11 > 0) sold_outs[$2] += $11
  if ($12 > 0) cut_off[key] += $12
  next
}
{ single[++singles] = $1; add(instructions, $1, $3) }

END {
  header("row,clients,sync,calls or tickets a second,min .. max,p50 ms,p99 ms,bytes of WAL each", "-18,7,4,25,20,8,8,17")
  for (k = 1; k <= keys; k++) {
    split(order[k], part, ",")
    printf "| %-18s | %7s | %4s | %25.0f | %20s | %8s | %8s | %17.0f |\n", part[1], part[2], part[3], median(tps[order[k]]),
      spread(tps[order[k]], "%.0f"), cell("%.3f", p50[order[k]]), cell("%.3f", p99[order[k]]), median(wal[order[k]])
  }
  printf "\n"
  header("ratio,clients,sync,median,min .. max,aim,met,WAL bytes,instructions", "-42,7,4,6,14,5,3,13,17")
  for (r = 1; r <= ratio_count; r++) for (s = 1; s <= setting_count; s++) {
    list = ""
    split(setting_order[s], part, ",")
    if (only[r] != "" && only[r] != part[2] || only_clients[r] != "" && only_clients[r] != part[1]) continue
    for (i = 1; i <= repeats; i++) {
      a = one[measure[r], i, above[r] "," setting_order[s]]
      b = best(measure[r], i, below[r], setting_order[s])
      if (a > 0 && b > 0) list = list " " a / b
    }
    if (list == "") continue
    name = (measure[r] == "tps" ? "" : measure[r] " ") above[r] " / " (below[r] ~ /\|/ ? "best: " best_row : below[r])
    wanted = part[1] > 1 || only_clients[r] != "" ? aim[r] : ""
    printf "| %-42s | %7s | %4s | %6.2f | %14s | %5s | %3s | %13s | %17s |\n", name, part[1], part[2], median(list),
      spread(list, "%.2f"), wanted, verdict(list, wanted),
      pair("%.0f", wal, above[r] "," setting_order[s], best_row "," setting_order[s]), pair("%.0f", instructions, above[r], best_row)
  }
  printf "\nAims are for more than one client, unless they are for one number of clients. ?: the ratio more than doubled between repeats (a disk or neighbours that come and go), of more than five without the sixth at each end: no verdict.\n"
  printf "best: the best of several peers in each repeat; the one named was it in the last. redis_*: sync on is appendfsync always, off everysec.\n"
  if (singles) {
    printf "instructions: what the backend executes outside the kernel for each call or ticket, counted by callgrind, one client, sync off.\n\n"
    header("row,instructions for each", "-18,21")
    for (k = 1; k <= singles; k++) printf "| %-18s | %21s |\n", single[k], cell("%.0f", instructions[single[k]])
  }
  printf "\n"
  for (name in sold_outs) printf "%d purchases of %s met a sold-out trip: they cost less, or more, than a sale.\n", sold_outs[name], name
  for (key in cut_off) {
    split(key, part, ",")
    printf "%d statements of %s (%s clients, sync %s) were cut off because they took too long: they are rolled back and not counted.\n", cut_off[key], part[1], part[2], part[3]
  }
}
