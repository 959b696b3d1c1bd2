# SPDX-License-Identifier: MIT
# Rules for building, testing and installing a module of Postern. The Makefile of a module:
#
#     NAME = my-module
#     include $(shell pkg-config --variable=module_mk postern-module)
#
# Before the include it may set
#     SRCS        sources of the module (NAME.c)
#     LIBS        libraries to link with
#     CHECK_ARGS  OPTION=VALUE ... for postern-module-check, when it has options that are required
#
# `make check` compiles check.c with the fake host and runs it, runs postern-module-check, and
# e2e.sh; what of check.c and e2e.sh is not there is left out. `make install` honours DESTDIR.
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g -Wall -Wextra
SRCS ?= $(NAME).c
MODULE_CFLAGS := $(shell $(PKG_CONFIG) --cflags postern-module)
MODULE_DIR := $(shell $(PKG_CONFIG) --variable=moduledir postern-module)
HARNESS_DIR ?= $(shell $(PKG_CONFIG) --variable=harnessdir postern-module)
MODULE_CHECK ?= postern-module-check
POSTERN ?= $(shell $(PKG_CONFIG) --variable=sbindir postern-module)/postern

all: $(NAME).so

# The TLS model: else libc ends the process when it has no memory for a thread-local variable.
$(NAME).so: $(SRCS) $(wildcard *.h)
	$(CC) $(CPPFLAGS) $(MODULE_CFLAGS) $(CFLAGS) -std=gnu11 -fPIC -fvisibility=hidden \
		-ftls-model=initial-exec -shared $(LDFLAGS) -Wl,--no-undefined -o $@ $(SRCS) $(LIBS)

# By rename: a running proxy has the old file mapped.
install: $(NAME).so
	install -d "$(DESTDIR)$(MODULE_DIR)"
	install -m 644 $(NAME).so "$(DESTDIR)$(MODULE_DIR)/.$(NAME).new"
	mv "$(DESTDIR)$(MODULE_DIR)/.$(NAME).new" "$(DESTDIR)$(MODULE_DIR)/$(NAME).so"

# The fake host comes as source and needs libconfig.
check-$(NAME): check.c
	$(CC) $(CPPFLAGS) $(MODULE_CFLAGS) -I"$(HARNESS_DIR)" $(CFLAGS) -std=gnu11 $(LDFLAGS) \
		-o $@ check.c "$(HARNESS_DIR)"/*.c -lconfig -ldl

check: $(NAME).so $(patsubst %.c,%-$(NAME),$(wildcard check.c))
	$(if $(wildcard check.c),./check-$(NAME) ./$(NAME).so)
	$(MODULE_CHECK) $(NAME).so $(CHECK_ARGS)
	$(if $(wildcard e2e.sh),POSTERN="$(POSTERN)" sh ./e2e.sh)

clean:
	rm -f $(NAME).so check-$(NAME)

.PHONY: all install check clean
