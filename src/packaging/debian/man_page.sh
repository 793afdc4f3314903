#!/bin/sh
# Prints the manual page of a tool: what it says itself when it is asked for help.
# usage: debian/man_page.sh NAME SCRIPT
set -eu
help=$("$2" --help)
case $1 in
  *-config) what='writes the configuration of PgBouncer for a ticketpool router, and checks its nodes' ;;
  *-failover) what='hands a node of a ticketpool router over to its standby' ;;
  *) echo "no description of $1" >&2; exit 1 ;;
esac
printf '.TH %s 1 "" ticketpool ""\n.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n' "$(printf %s "$1" | tr '[:lower:]' '[:upper:]')" "$1" "$what"
printf 'Outside of the package this tool is called %s. Its help says:\n.PP\n.nf\n' "${2##*/}"
# In the language of manual pages a minus is written \-, and a line must not begin with a dot.
printf '%s\n' "$help" | sed 's/\\/\\\\/g; s/-/\\-/g; s/^\([.'"'"']\)/\\\&\1/'
printf '.fi\n.SH SEE ALSO\n/usr/share/doc/ticketpool\\-router/many_servers.md\n'
