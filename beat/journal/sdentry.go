//go:build cgo && linux

package journal

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

// What go-systemd does not offer: a whole entry in one call instead of one call a field, names that
// repeat, and the fields before one that cannot be read. libsystemd is loaded as go-systemd does it,
// when it is needed, so that the program starts without it.
typedef struct {
	int (*get_cursor)(sd_journal *, char **);
	void (*restart_data)(sd_journal *);
	int (*enumerate_data)(sd_journal *, const void **, size_t *);
} pb_calls;

typedef struct {
	char *data;
	size_t len, cap;
} pb_buffer;

static int pb_load(pb_calls *c) {
	void *lib = dlopen("libsystemd.so.0", RTLD_LAZY);
	if (!lib)
		return -ENOENT;
	c->get_cursor = dlsym(lib, "sd_journal_get_cursor");
	c->restart_data = dlsym(lib, "sd_journal_restart_data");
	c->enumerate_data = dlsym(lib, "sd_journal_enumerate_data");
	return c->get_cursor && c->restart_data && c->enumerate_data ? 0 : -ENOSYS;
}

// pb_append writes the length of a piece, as 4 bytes from the lowest on, and the piece.
static int pb_append(pb_buffer *b, const void *data, uint32_t len) {
	const unsigned char head[4] = {len, len >> 8, len >> 16, len >> 24};
	size_t want = b->len + sizeof(head) + len;
	if (want > b->cap) {
		size_t cap = want + want / 2 + 4096;
		char *bigger = realloc(b->data, cap);
		if (!bigger)
			return -ENOMEM;
		b->data = bigger;
		b->cap = cap;
	}
	memcpy(b->data + b->len, head, sizeof(head));
	memcpy(b->data + b->len + sizeof(head), data, len);
	b->len = want;
	return 0;
}

// pb_entry writes the current entry's cursor and its fields, each cut at longest bytes.
// An error with a buffer that is not empty leaves what was read before it.
static int pb_entry(const pb_calls *c, sd_journal *j, size_t longest, size_t most, pb_buffer *b) {
	char *cursor = NULL;
	b->len = 0;
	int r = c->get_cursor(j, &cursor);
	if (r < 0)
		return r;
	r = pb_append(b, cursor, strlen(cursor));
	free(cursor);
	if (r < 0)
		return r;
	c->restart_data(j);
	for (;;) {
		const void *data;
		size_t len;
		r = c->enumerate_data(j, &data, &len);
		if (r <= 0)
			return r;
		if (len > longest)
			len = longest;
		if (b->len + len > most)
			return -E2BIG;
		r = pb_append(b, data, (uint32_t) len);
		if (r < 0)
			return r;
	}
}
*/
import "C"

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"github.com/coreos/go-systemd/v22/sdjournal"
)

// maxEntry bounds all fields of an entry together.
const maxEntry = 64 << 20

var libsystemd = sync.OnceValues(func() (*C.pb_calls, error) {
	calls := new(C.pb_calls)
	if r := C.pb_load(calls); r < 0 {
		return nil, fmt.Errorf("cannot load libsystemd.so.0: %w; install it, on Debian with: apt-get install libsystemd0", syscall.Errno(-r))
	}
	return calls, nil
})

// An entryReader copies entries out of libsystemd. Its owner calls close.
type entryReader struct {
	buffer C.pb_buffer
	chain  string // the last entry's, to be kept once
	boot   string
}

func (r *entryReader) close() {
	C.free(unsafe.Pointer(r.buffer.data))
	r.buffer = C.pb_buffer{}
}

// read sets e to the entry that j stands at. All its fields are parts of one string: they are made
// by one allocation, whatever their number. Longer fields are cut at longest bytes, name included.
func (r *entryReader) read(j *sdjournal.Journal, longest uint64, e *Entry) error {
	calls, err := libsystemd()
	if err != nil {
		return err
	}
	// The handle is go-systemd's first field, and not exported.
	handle := *(**C.sd_journal)(unsafe.Pointer(j))
	n := C.pb_entry(calls, handle, C.size_t(min(longest, maxEntry)), maxEntry, &r.buffer)
	if n < 0 {
		err = syscall.Errno(-n)
	}
	if r.buffer.len == 0 {
		return err
	}
	text, rest := piece(C.GoStringN(r.buffer.data, C.int(r.buffer.len)))
	if r.buffer.cap > batchBytes {
		r.close() // what a large entry has needed
	}
	c, bad := parseCursor(text)
	if bad != nil {
		return bad
	}
	if r.chain != c.SeqnumID {
		r.chain = strings.Clone(c.SeqnumID)
	}
	if r.boot != c.BootID {
		r.boot = strings.Clone(c.BootID)
	}
	e.SeqnumID, e.Seqnum, e.BootID, e.Realtime, e.Monotonic = r.chain, c.Seqnum, r.boot, c.Realtime, c.Monotonic
	e.xor, e.placed = c.Xor, true
	for rest != "" {
		text, rest = piece(rest)
		if name, value, ok := strings.Cut(text, "="); ok {
			e.Fields = append(e.Fields, Field{Name: name, Value: value})
		}
	}
	return err
}

// piece takes the first of the pieces that pb_append has written off text.
func piece(text string) (first, rest string) {
	n := uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16 | uint32(text[3])<<24
	return text[4 : 4+n], text[4+n:]
}
