// Preloaded into rsyslog and syslog-ng, which know no journal but the machine's own: they read the one in $JOURNAL.
#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-journal.h>

int sd_journal_open(sd_journal **ret, int flags) {
	const char *dir = getenv("JOURNAL");
	(void)flags; // local files only: those of a directory are what it has
	return dir ? sd_journal_open_directory(ret, dir, 0) : -ENOENT;
}

int sd_journal_open_namespace(sd_journal **ret, const char *namespace, int flags) {
	(void)namespace;
	return sd_journal_open(ret, flags);
}
