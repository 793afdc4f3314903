# ticketpool: build, install, test.
#
#   make && sudo make install        build with the pg_config on PATH (or PG_CONFIG=/path/to/pg_config)
#   make installcheck                regression, isolation and TAP tests of what is installed, on servers of their own;
#                                    narrowed by REGRESS="one two", ISOLATION=one, TAP=test/t/001_one.pl (empty: none)
#   make test-long                   what takes too long for make test; make soak MINUTES=30, make fuzz SECONDS=60: parts of it
#   make deps | demo | test          what a Debian machine lacks; a demonstration on a private server; all tests
#   make demo-router                 a demonstration of many servers
#   make demo-web                    the trains in a web shop, in a browser; make demo-stop ends it
#   make bench | bench-national      measurements (QUICK=1: short ones); bench-group: sales of many clients in one
#                                    commit; bench-router: what a router costs;
#                                    bench-first-look: what a session's first look at a train costs;
#                                    bench-places: what ticket_places costs; bench-profile: where the time of a sale goes;
#                                    bench-doc puts the last ones into doc/bench
#   make deb | dist                  Debian packages, in build/deb; the archive for PGXN; test-packages tries both in bare systems
#   make lint

EXTENSION  = ticketpool ticketpool_router
MODULE_big = ticketpool
DATA_built = $(install_script) $(update_scripts) $(router_script)
# As it was released: an update from it can be tried on any server (CREATE EXTENSION ... VERSION '0.2').
DATA       = test/update/ticketpool--0.2.sql
# For those that run a router: PgBouncer's configuration, fail-over.
SCRIPTS    = $(wildcard src/tools/*.sh)
OBJS       = $(patsubst %.cpp,%.o,$(sort $(wildcard src/core/*.cpp src/pg/*.cpp src/pg/*/*.cpp)))

# The extension's scripts are built from its parts, in the order of their installation, and from one
# step for each update: see sql/extension/build.awk.
extension_version := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" ticketpool.control)
parts          = $(addprefix sql/extension/,tables.sql functions.sql views.sql triggers.sql)
install_script = ticketpool--$(extension_version).sql
router_script  = ticketpool_router--$(extension_version).sql
router_parts   = $(addprefix sql/extension/router/,tables.sql link.sql twins.list admin.sql build.awk) ticketpool_router.control
update_scripts = $(patsubst sql/extension/update/%,ticketpool--%,$(wildcard sql/extension/update/*.sql))

# One export list for the linker: templates of the standard library and Boost are marked visible by
# their authors and would be exported from here in spite of -fvisibility=hidden.
SHLIB_EXPORTS = src/exports.txt

PG_CONFIG ?= pg_config
PGXS      := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
SERVER_INCLUDES := $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)

# The server's headers are system headers here, so that WERROR applies to our code only.
WERROR      = -Werror
PG_CPPFLAGS = $(if $(PCH),-Ibuild/pch) -Iinclude -Isrc/pg -isystem $(SERVER_INCLUDES)
PG_CXXFLAGS = -std=c++20 -fvisibility=hidden -Wall -Wextra $(WERROR) -Wno-register -MMD -MP $(SANITIZE)
EXTRA_CLEAN = $(OBJS:.o=.d) $(wildcard ticketpool--*.sql ticketpool--*.sql.new ticketpool_router--*.sql ticketpool_router--*.sql.new) build/pch build/unit-* build/stop_points build/test-output \
              build/core-bench build/avx512 build/arm build/sanitized

# Every file of src/pg includes server/pg.hpp. Two thirds of the time that it takes to compile them
# would go there, so it is compiled once. PCH= builds without.
PCH = build/pch/prefix.hpp.gch
PG_OBJS = $(filter src/pg/%,$(OBJS))

# PGXS compiles bitcode with its own flags, without PG_CXXFLAGS; nothing here gains from inlining
# into queries.
override with_llvm = no

# The tests' servers can't run as root, as PGXS's rule would have them do; here test/run runs all
# kinds of tests.
NO_INSTALLCHECK = yes

.DEFAULT_GOAL := all
.PHONY: deps deps-bench demo demo-stop demo-router demo-web test test-long soak fuzz installcheck bench bench-core bench-group bench-national bench-first-look bench-places bench-profile bench-router bench-doc deb dist test-packages lint

# Debian's client package alone has the makefile of PGXS but not the headers.
ifneq ($(and $(wildcard $(PGXS)),$(wildcard $(SERVER_INCLUDES)/postgres.h)),)
include $(PGXS)
# PGXS links with the C compiler.
COMPILER = $(CXX) $(CXXFLAGS)
# Only arena.cpp needs exceptions and type information: Boost.Interprocess throws when its memory is
# used up.
$(filter-out src/core/arena.o,$(OBJS)) $(PCH): override CXXFLAGS += -fno-exceptions -fno-rtti
$(OBJS): Makefile
ifneq ($(PCH),)
$(PCH): src/pg/server/pg.hpp Makefile
	@mkdir -p $(@D)
	@echo '#include "server/pg.hpp"' >$(@:.gch=)
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -x c++-header -c -o $@ $(@:.gch=)
$(PG_OBJS): $(PCH)
$(PG_OBJS): private override CXXFLAGS += -include prefix.hpp
-include $(PCH:.gch=.d)
endif
-include $(OBJS:.o=.d)

$(DATA_built): $(parts) sql/extension/build.awk ticketpool.control Makefile
$(install_script):
	awk -f sql/extension/build.awk version=$(extension_version) $(parts) >$@.new && mv $@.new $@
# The router's takes types and functions from the same parts: see sql/extension/router/build.awk.
$(router_script): $(router_parts)
	awk -f sql/extension/router/build.awk version=$(extension_version) parts=sql/extension >$@.new && mv $@.new $@
$(update_scripts): ticketpool--%: sql/extension/update/%
	awk -f sql/extension/build.awk version=$(extension_version) step=$< $(parts) >$@.new && mv $@.new $@

# The library with named stop points (src/pg/server/stop_point.hpp), for the tests in test/stops:
# only what includes them is compiled again. Never installed.
STOPPING = $(patsubst src/pg/%.cpp,build/stop_points/%.o,$(shell grep -l '"server/stop_point.hpp"' src/pg/*.cpp src/pg/*/*.cpp))
$(STOPPING): build/stop_points/%.o: src/pg/%.cpp Makefile $(PCH)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -fno-exceptions -fno-rtti $(if $(PCH),-include prefix.hpp) $(CPPFLAGS) -DTICKETPOOL_STOP_POINTS -c -o $@ $<
build/stop_points/ticketpool.so: $(STOPPING) $(filter-out $(STOPPING:build/stop_points/%=src/pg/%),$(OBJS)) src/exports.list
	$(LINK.shared) -o $@ $(filter %.o,$^) $(LDFLAGS) $(LDFLAGS_SL) $(SHLIB_LINK)
-include $(STOPPING:.o=.d)
else
all install uninstall clean:
	@echo >&2 "'$(PG_CONFIG)' finds no PostgreSQL server headers (PGXS). Run 'make deps' to install them on Debian or Ubuntu,"
	@echo >&2 "or name another installation: make PG_CONFIG=/path/to/pg_config"
	@exit 1
endif

# These scripts install what is missing and then call make again: PGXS may not have been there when
# this make started.
export PG_CONFIG

deps:
	@test/deps.sh

deps-bench:
	@test/deps.sh bench

demo:
	@test/demo/demo.sh start

demo-stop:
	@test/demo/demo.sh stop

demo-router:
	@test/demo/router.sh

demo-web:
	@test/demo/demo.sh web

test:
	@test/run

test-long:
	@test/run long

# The core under libFuzzer: make fuzz SECONDS=60
fuzz:
	@LONG_SECONDS=$(or $(SECONDS),60) test/run fuzz

# Faults under load, for longer than make test allows: make soak MINUTES=30
soak:
	@TICKETPOOL_SOAK_MINUTES=$(or $(MINUTES),10) TAP=test/t/040_soak.pl test/run tap

installcheck:
	@test/run regress isolation tap

bench:
	@test/bench/run.sh

bench-core:
	@test/bench/core.sh && test/bench/plot.sh

bench-group:
	@test/bench/group.sh

bench-national:
	@test/bench/national.sh

bench-first-look:
	@test/bench/first_look.sh

bench-places:
	@test/bench/places.sh

bench-router:
	@test/bench/router.sh

bench-profile:
	@test/bench/profile.sh

bench-doc:
	@test/bench/doc.sh

deb:
	@src/packaging/deb.sh

dist:
	@src/packaging/dist.sh

test-packages:
	@test/packages.sh

lint:
	@test/lint.sh
