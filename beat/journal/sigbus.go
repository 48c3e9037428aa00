//go:build cgo && linux

package journal

/*
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// A journal file that is cut while libsystemd has it mapped ends the process, by SIGBUS. As
// journalctl does, and libsystemd leaves to its users, a page that is no longer there is replaced by
// one of zeros, which libsystemd takes for damage. Only in threads that are inside libsystemd;
// all else goes to whoever was there before: Go's runtime.
static __thread int pb_inside;
static __thread int pb_faults;
static struct sigaction pb_before;
static uintptr_t pb_page;

static void pb_sigbus(int signal, siginfo_t *info, void *context) {
	if (pb_inside && info->si_code == BUS_ADRERR) {
		void *page = (void *) ((uintptr_t) info->si_addr & ~(pb_page - 1));
		if (mmap(page, pb_page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
			pb_faults++;
			return;
		}
	}
	if (pb_before.sa_flags & SA_SIGINFO)
		pb_before.sa_sigaction(signal, info, context);
	else
		sigaction(SIGBUS, &pb_before, NULL); // and again, to the default
}

static int pb_install(void) {
	struct sigaction mine = {.sa_sigaction = pb_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	pb_page = (uintptr_t) sysconf(_SC_PAGESIZE);
	sigfillset(&mine.sa_mask);
	return sigaction(SIGBUS, &mine, &pb_before);
}

static void pb_enter(void) {
	pb_faults = 0;
	pb_inside = 1;
}

static int pb_leave(void) {
	pb_inside = 0;
	return pb_faults;
}
*/
import "C"

import (
	"runtime"
	"sync"
)

var catchSigbus = sync.OnceFunc(func() { C.pb_install() })

// guard runs what reads libsystemd's memory maps. It says whether all pages were there.
func guard(read func()) bool {
	catchSigbus()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	C.pb_enter()
	read()
	return C.pb_leave() == 0
}
