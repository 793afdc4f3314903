#!/usr/bin/env bash
# R's readr reads the seats 1D, 2D, 3E of a CSV file as the numbers 1, 2, 3.
#
# Guess (about the letter F, which R may take for FALSE): a column of seats stays text, whatever its
# letters.
# Seen with readr 2.1.4 and vroom 1.6.1 (Debian 12): read_csv() takes a number that ends in D, d, E
# or e for one with an empty exponent. A file of the D and E seats of a coach (one side of the
# aisle) becomes a column of numbers, without a warning: the letters are gone, and 1D and 1E are the
# same seat. As soon as the file has a 1A, all stay text. readr's own parse_guess(), base R's
# read.csv() and read_csv(col_types = "c") keep the text.
#
# Installs nothing: unpacks Debian's packages into a temporary folder (some 70 MB). Fails if readr
# behaves otherwise.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"; cd "$dir"; mkdir packages; cd packages
apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances r-cran-readr=2.1.4-1 r-cran-vroom=1.6.1-1 |
  grep -E '^(r-base-core|r-cran-[a-z0-9.]+|lib(blas3|lapack3|gfortran5|quadmath0|tk8.6|tcl8.6|tre5|pcre2-8-0|readline8|curl4|deflate0|icu72|gomp1|bz2-1.0|lzma5|jpeg62-turbo|tiff6))$' | sort -u >names
# shellcheck disable=SC2046
apt-get -q download $(sed 's/^r-cran-readr$/&=2.1.4-1/; s/^r-cran-vroom$/&=1.6.1-1/' names) >/dev/null 2>&1 ||
  { echo "these packages cannot be downloaded here (they are Debian 12's)"; exit 2; }
for package in *.deb; do dpkg -x "$package" ../tree; done
cd ..
lib=tree/usr/lib/$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
export R_HOME=$dir/tree/usr/lib/R R_LIBS=$dir/tree/usr/lib/R/site-library:$dir/tree/usr/lib/R/library
export LD_LIBRARY_PATH=$R_HOME/lib:$dir/$lib:$dir/$lib/blas:$dir/$lib/lapack R_DEFAULT_PACKAGES=methods,utils,stats
printf '%s\n' seat 1D 2D 3E >seats.csv
cat >try.R <<'R'
seats <- suppressMessages(readr::read_csv("seats.csv", show_col_types = FALSE))$seat
cat("read_csv:", class(seats), seats, "\n")
cat("parse_guess:", readr::parse_guess(c("1D", "2D", "3E")), "\n")
cat("read.csv:", read.csv("seats.csv")$seat, "\n")
cat("col_types c:", readr::read_csv("seats.csv", col_types = "c")$seat, "\n")
R
"$R_HOME/bin/exec/R" --vanilla --no-echo --file=try.R >out 2>err || { cat err; exit 1; }
cat out; cat err
printf '%s \n' 'read_csv: numeric 1 2 3' 'parse_guess: 1D 2D 3E' 'read.csv: 1D 2D 3E' 'col_types c: 1D 2D 3E' | cmp - out
echo "as described"
