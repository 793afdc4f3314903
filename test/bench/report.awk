# From slices.csv, cpu.csv and the list of ratios to markdown tables, padded to be read in a terminal too.
# usage: awk -f report.awk ratios.txt slices.csv cpu.csv
# A ratio is taken within each repeat, between slices that ran next to each other; then the median of the repeats.

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
# A ratio that doubles from one repeat to another says nothing about an aim.
function verdict(list, aim,    v, n) { n = sorted(list, v); return aim == "" ? "" : v[n] > 2 * v[1] ? "?" : median(list) >= aim ? "yes" : "no" }
function add(table, key, value) { table[key] = table[key] " " value }
function header(names, widths,    i, n, name, width, rule) {
  n = split(names, name, ","); split(widths, width, ",")
  for (i = 1; i <= n; i++) { printf "| %" width[i] "s ", name[i]; rule = rule "|" sprintf("%" (width[i] < 0 ? -width[i] : width[i]) + 1 "s", "") (width[i] < 0 ? " " : ":") }
  gsub(/ /, "-", rule)
  printf "|\n%s|\n", rule
}

BEGIN { FS = "," }
FILENAME ~ /ratios/ { ratio_count++; above[ratio_count] = $1; below[ratio_count] = $2; aim[ratio_count] = $3; next }
FNR == 1 { next }
FILENAME ~ /slices/ {
  setting = $3 "," $4; key = $2 "," setting
  if (!(key in tps)) order[++keys] = key
  if (!(setting in settings)) { settings[setting] = 1; setting_order[++setting_count] = setting }
  add(tps, key, $6); add(latency, key, $7); add(wal, key, $8 / $5)
  one[$1, key] = $6; if ($1 > repeats) repeats = $1
  if ($2 ~ /^(buy|hold)/ && $9 > 0) sold_outs += $9
  next
}
{
  if (!($2 in cpu)) cpu_order[++cpus] = $2
  add(cpu, $2, $4); if ($5 != "") add(instructions, $2, $5)
}

END {
  header("row,clients,synchronous_commit,calls or tickets a second,min .. max,ms,WAL bytes of each", "-14,7,18,25,20,7,17")
  for (k = 1; k <= keys; k++) {
    split(order[k], part, ",")
    printf "| %-14s | %7s | %18s | %25.0f | %20s | %7.3f | %17.0f |\n", part[1], part[2], part[3], median(tps[order[k]]),
      spread(tps[order[k]], "%.0f"), median(latency[order[k]]), median(wal[order[k]])
  }
  printf "\n"
  header("ratio,clients,synchronous_commit,median,min .. max,aim,met", "-28,7,18,6,12,4,3")
  for (r = 1; r <= ratio_count; r++) for (s = 1; s <= setting_count; s++) {
    list = ""
    for (i = 1; i <= repeats; i++) {
      a = one[i, above[r] "," setting_order[s]]; b = one[i, below[r] "," setting_order[s]]
      if (a > 0 && b > 0) list = list " " a / b
    }
    if (list == "") continue
    split(setting_order[s], part, ",")
    printf "| %-28s | %7s | %18s | %6.2f | %12s | %4s | %3s |\n", above[r] " / " below[r], part[1], part[2], median(list),
      spread(list, "%.2f"), aim[r], verdict(list, aim[r])
  }
  printf "\n?: the ratio more than doubled between repeats (a disk or neighbours that come and go): no verdict.\n"
  if (cpus) {
    printf "\n"
    header("one client,CPU us of the backend for each,min .. max,instructions:u for each", "-14,30,14,23")
    for (k = 1; k <= cpus; k++) printf "| %-14s | %30.1f | %14s | %23s |\n", cpu_order[k], median(cpu[cpu_order[k]]),
      spread(cpu[cpu_order[k]], "%.1f"), (cpu_order[k] in instructions ? sprintf("%.0f", median(instructions[cpu_order[k]])) : "-")
  }
  if (sold_outs) printf "\n%d purchases met a sold-out trip: their rows measure less than a sale.\n", sold_outs
}
