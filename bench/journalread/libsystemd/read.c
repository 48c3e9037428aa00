// Reads all fields of all entries of the journal in a directory by libsystemd, and prints how many there were.
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>

static int fail(const char *what, int r) {
	fprintf(stderr, "cannot %s: %s\n", what, strerror(-r));
	return 1;
}

int main(int argc, char **argv) {
	sd_journal *j;
	unsigned long entries = 0, fields = 0, bytes = 0;
	int r;
	if (argc != 2) {
		fprintf(stderr, "usage: read DIRECTORY\n");
		return 2;
	}
	if ((r = sd_journal_open_directory(&j, argv[1], 0)) < 0)
		return fail("open the journal", r);
	if ((r = sd_journal_set_data_threshold(j, 0)) < 0)
		return fail("ask for whole fields", r);
	while ((r = sd_journal_next(j)) > 0) {
		const void *data;
		size_t length;
		int f;
		entries++;
		while ((f = sd_journal_enumerate_data(j, &data, &length)) > 0) {
			fields++;
			bytes += length;
		}
		if (f < 0)
			return fail("read a field", f);
	}
	if (r < 0)
		return fail("read an entry", r);
	printf("%lu %lu %lu\n", entries, fields, bytes);
	sd_journal_close(j);
	return 0;
}
