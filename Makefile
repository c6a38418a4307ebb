# ducc: make, make check, make install.  SAN=1 builds with AddressSanitizer and UBSan, TSAN=1 with
# ThreadSanitizer; WERROR=1 makes warnings errors.

PREFIX = /usr/local
DESTDIR =
BINDIR = $(PREFIX)/bin
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
MANDIR = $(PREFIX)/share/man
DOCDIR = $(PREFIX)/share/doc/ducc
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR = $(PREFIX)/share/zsh/site-functions
UNITDIR = $(PREFIX)/lib/systemd/system
# The tools find the library beside them (build tree) or in ../lib (installed). RPATH= leaves that to ld.so(8).
RPATH = $$ORIGIN:$$ORIGIN/../lib

VERSION := $(shell sed -n 's/^.define DUCC_VERSION "\(.*\)"/\1/p' lib/ducc.h)
# Changes with every change of ducc.h that a program built before would notice.
SONAME = libducc.so.1

TOOLS := $(patsubst cmd/%.c,%,$(wildcard cmd/ducc-*.c))
COMMANDS = $(TOOLS) ducc-convert
MANUALS = $(wildcard man/*.[157])
UNITS := $(notdir $(wildcard scripts/examples/*.service scripts/examples/*.timer))
EXAMPLES = crontab directory.conf logrotate

B = build
CFLAGS = -O2 -g
ifdef SAN
B = build/san
CFLAGS = -O1 -g -fno-omit-frame-pointer
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifdef TSAN
B = build/tsan
CFLAGS = -O1 -g -fno-omit-frame-pointer
SANFLAGS = -fsanitize=thread
endif
ifdef LIBFUZZER
B = build/fuzz
CC = clang
CFLAGS = -O1 -g -fno-omit-frame-pointer
SANFLAGS = -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
endif
ifdef WERROR
WARNFLAGS = -Werror
endif

PKGS = libcurl >= 7.76.0 libcjson libarchive zlib libcrypto yaml-0.1
# ISA-L inflates gzip in less than half the time that zlib takes. ISAL= builds without it, as do
# the sanitizers, which do not see into its assembly: so tests run with both.
ISAL := $(if $(SAN),,$(shell pkg-config --exists 'libisal >= 2.30' && echo yes))
ifneq ($(ISAL),)
PKGS += libisal
endif
PKG_CFLAGS := $(shell pkg-config --cflags '$(PKGS)') $(if $(ISAL),-DHAVE_ISAL)
PKG_LIBS := $(shell pkg-config --libs '$(PKGS)') -lpthread -lm

ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Wall -Wextra -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	-Wno-missing-field-initializers $(WARNFLAGS) \
	-fvisibility=hidden -fPIC -fstack-protector-strong -pthread -Ilib \
	$(PKG_CFLAGS) $(SANFLAGS) $(CFLAGS)

TOOL_OBJECTS := $(patsubst %.c,$B/%.o,$(filter-out cmd/ducc-%,$(wildcard cmd/*.c)))
LIB_OBJECTS = $(patsubst lib/%.c,$B/lib/%.o,$(wildcard lib/*/*.c))
FUZZERS = $(patsubst t/fuzz-%.c,%,$(wildcard t/fuzz-*.c))
# Random inputs are for the sanitizers, but for those of ISA-L; scripts/soak tries all of them without, too.
UNIT_TESTS = $(patsubst t/%.c,$B/t/%,$(wildcard t/unit-*.c)) $(patsubst %,$B/t/fuzz-%,$(if $(SAN)$(SOAK),$(FUZZERS),gunzip))
# What tests need to call functions of the library that no tool offers.
DRIVERS = $(patsubst t/%.c,$B/t/%,$(wildcard t/drive-*.c))
# What tests preload into the tools.
PRELOADS = $(patsubst t/%.c,$B/t/%.so,$(wildcard t/preload-*.c))

# What is installed; `all' includes what tests need.
INSTALLED = $(TOOLS:%=$B/%) $B/$(SONAME) $B/libducc.so $B/libducc.a $B/completion.bash $B/completion.zsh
all: $(INSTALLED) $(DRIVERS) $(PRELOADS)

$B/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$B/cmd/%.o: cmd/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$B/$(SONAME): $(LIB_OBJECTS)
	$(CC) $(SANFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -o $@ $^ $(PKG_LIBS)

$B/libducc.so: $B/$(SONAME)
	ln -sf $(SONAME) $@

# One object whose internal names are local, so that they can't clash with a program's own.
$B/libducc.a: $(LIB_OBJECTS)
	@rm -f $@
	$(LD) -r -o $B/libducc.o $^
	objcopy --localize-hidden $B/libducc.o
	$(AR) rcs $@ $B/libducc.o

$B/ducc-%: $B/cmd/ducc-%.o $(TOOL_OBJECTS) $B/libducc.so
	$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $< $(TOOL_OBJECTS) -L$B -lducc -lpthread \
		$(RPATH:%=-Wl,-rpath,'%')

# From the options that the tools themselves list.
$B/completion.%: scripts/completion scripts/ducc-convert $(TOOLS:%=$B/%)
	LD_LIBRARY_PATH=$B scripts/completion $* $(TOOLS:%=$B/%) scripts/ducc-convert >$@.new
	mv $@.new $@

# Unit tests and drivers see the library's internals.
$B/t/%: t/%.c $(LIB_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -MMD -MP -o $@ $< $(filter %.o,$^) $(LDFLAGS) $(PKG_LIBS)
$B/t/unit-moves: $B/cmd/moves.o

$B/t/preload-%.so: t/preload-%.c
	@mkdir -p $(@D)
	$(CC) $(filter-out $(SANFLAGS),$(ALL_CFLAGS)) -fvisibility=default $(CPPFLAGS) -MMD -MP \
		-shared -o $@ $< $(LDFLAGS)

# The same properties, with libFuzzer looking for what breaks them: make fuzz [SECONDS=60]; as many at a time as -j says.
SECONDS = 60
fuzz: $(FUZZERS:%=fuzz-%)
$(FUZZERS:%=fuzz-%): fuzz-%: $B/t/fuzz-% libfuzzers
	mkdir -p build/fuzz/$*
	cd build/fuzz && $(CURDIR)/$B/t/fuzz-$* -o $* && \
		t/libfuzzer-$* -max_total_time=$(SECONDS) -max_len=4096 -dict=$*/words $*
libfuzzers:
	$(MAKE) LIBFUZZER=1 $(FUZZERS:%=build/fuzz/t/libfuzzer-%)

$B/t/libfuzzer-%: t/fuzz-%.c $(LIB_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -DLIBFUZZER -fsanitize=fuzzer -MMD -MP -o $@ $< \
		$(LIB_OBJECTS) $(LDFLAGS) $(PKG_LIBS)

# Many tests wait for something most of the time. The longest begin first, so that none of them is alone at the end.
LONGEST = $(patsubst %,t/%.t,11-wish 25-faults 47-second-road 31-hostile 72-wishes 48-check 34-limits 46-gc 30-corpus \
	33-fields 47-road-fails 53-healing 12-hook 22-registry-lies)
check: all $(UNIT_TESTS)
	DUCC_BIN=$(CURDIR)/$B prove --timer -j $$((3 * $$(nproc))) \
		$(LONGEST) $(filter-out $(LONGEST),$(wildcard t/*.t)) $(UNIT_TESTS:%=./%)

# Everything at full length, which takes hours.
soak:
	scripts/soak

lint:
	scripts/lint

installed: $(INSTALLED)

install: installed
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) \
		$(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 \
		$(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(UNITDIR) \
		$(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(PREFIX)/lib/ducc
	install -m 755 $(TOOLS:%=$B/%) scripts/ducc-convert $(DESTDIR)$(BINDIR)
	install -m 755 $B/$(SONAME) $(DESTDIR)$(LIBDIR)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libducc.so
	install -m 644 $B/libducc.a $(DESTDIR)$(LIBDIR)
	printf '%s\n' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' '' 'Name: libducc' \
		'Description: publishes container images file by file' 'Version: $(VERSION)' \
		'Requires.private: $(PKGS)' 'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lducc' \
		'Libs.private: -lpthread -lm' >$(DESTDIR)$(LIBDIR)/pkgconfig/libducc.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/libducc.pc
	install -m 644 lib/ducc.h $(DESTDIR)$(INCLUDEDIR)
	for m in $(MANUALS); do n=$(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/}; \
		sed 's,/usr/local/,$(PREFIX)/,' $$m >$$n && chmod 644 $$n || exit 1; done
	install -m 644 $B/completion.bash $(DESTDIR)$(BASHDIR)/ducc
	for t in $(COMMANDS); do ln -sf ducc $(DESTDIR)$(BASHDIR)/$$t; done
	install -m 644 $B/completion.zsh $(DESTDIR)$(ZSHDIR)/_ducc
	for u in $(UNITS); do sed 's,/usr/local/bin/,$(BINDIR)/,; s,/usr/local/lib/,$(PREFIX)/lib/,' scripts/examples/$$u \
		>$(DESTDIR)$(UNITDIR)/$$u && chmod 644 $(DESTDIR)$(UNITDIR)/$$u || exit 1; done
	install -m 755 scripts/hook.cgi scripts/hook-publish $(DESTDIR)$(PREFIX)/lib/ducc
	install -m 644 $(EXAMPLES:%=scripts/examples/%) $(DESTDIR)$(DOCDIR)/examples

uninstall:
	cd $(DESTDIR)$(BINDIR) && rm -f $(COMMANDS)
	cd $(DESTDIR)$(LIBDIR) && rm -f $(SONAME) libducc.so libducc.a pkgconfig/libducc.pc
	rm -f $(DESTDIR)$(INCLUDEDIR)/ducc.h
	cd $(DESTDIR)$(BASHDIR) && rm -f ducc $(COMMANDS)
	cd $(DESTDIR)$(UNITDIR) && rm -f $(UNITS)
	rm -f $(DESTDIR)$(ZSHDIR)/_ducc
	rm -rf $(DESTDIR)$(DOCDIR) $(DESTDIR)$(PREFIX)/lib/ducc
	for m in $(MANUALS); do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/}; done

clean:
	rm -rf build

# Packages of Debian, in build/deb, and of Enterprise Linux, in build/rpm.
deb rpm:
	scripts/package $@ $(VERSION)

.PHONY: all installed check soak lint fuzz libfuzzers $(FUZZERS:%=fuzz-%) install uninstall clean deb rpm
.SECONDARY:

-include $(wildcard $B/lib/*/*.d $B/cmd/*.d $B/t/*.d)
