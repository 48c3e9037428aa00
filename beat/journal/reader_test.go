package journal

import (
	"testing"
)

func TestReadsAllInOrder(t *testing.T) {
	dir := t.TempDir()
	makeJournal(t, dir, series(1, 700), series(701, 702), series(703, 1000))
	gs, m := readAll(t, testOptions(dir))
	sameAs(t, gs, "--directory", dir)
	equal(t, "read", ns(gs), "1-1000")
	equal(t, "gaps", m.gaps.Get(), 0)
	equal(t, "gaps.available", m.gapsKnown.Get(), true)
	equal(t, "reopened", m.reopened.Get(), 0)
}
