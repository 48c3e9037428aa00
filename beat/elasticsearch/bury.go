package elasticsearch

import (
	"context"
	"fmt"
)

// bury brings the refused items of b to where the policy wants them. When it can't they are
// pending again: Elasticsearch will refuse them once more and the dead letter is tried again.
func (c *client) bury(ctx context.Context, b *bulk) *failure {
	var graves []*item
	for _, items := range [][]item{b.unsendable, b.items} {
		for i := range items {
			if items[i].outcome == refused {
				graves = append(graves, &items[i])
			}
		}
	}
	if len(graves) == 0 {
		return nil
	}
	var fail *failure
	inIndex := 0
	switch {
	case c.policy.drop:
		settle(graves, dropped)
	case c.policy.index != "":
		inIndex, fail = c.buryInIndex(ctx, b, graves)
	default:
		fail = c.buryInFile(b, graves)
	}
	c.logGraves(graves, inIndex)
	return fail
}

// logGraves tells of events that the policy has been applied to; inIndex of them are in its index.
func (c *client) logGraves(graves []*item, inIndex int) {
	n := map[outcome]int{}
	worst := graves[0]
	for _, it := range graves {
		if n[it.outcome]++; it.outcome == pending && worst.outcome != pending {
			worst = it
		}
	}
	inFile := n[buried] - inIndex
	where := ""
	for _, part := range []struct {
		n    int
		what string
	}{
		{n[dropped], "dropped"}, {inIndex, "now in index " + c.policy.index}, {inFile, "now in " + c.policy.file.Path},
		{n[pending], "waiting until they can be put aside"},
	} {
		if part.n > 0 {
			where += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	log := c.log.Warnf
	if n[pending] > 0 || c.policy.index != "" && inFile > 0 {
		log = c.log.Errorf
	}
	log("%d events are refused for good%s. One of them: index %q, id %q, because of %v",
		len(graves), where, bounded(worst.index, 256), bounded(worst.id, 128), worst.why)
}

func settle(items []*item, o outcome) {
	for _, it := range items {
		it.outcome = o
	}
}

func (c *client) buryInFile(b *bulk, graves []*item) *failure {
	var lines []byte
	for _, it := range graves {
		lines = append(c.enc.appendLetter(lines, &it.event.Content, it, b.raw[it.source:it.end]), '\n')
	}
	if err := c.policy.file.Append(lines); err != nil {
		settle(graves, pending)
		return &failure{err: err, loud: true}
	}
	settle(graves, buried)
	return nil
}

// buryInIndex sends the letters with the ids of their events, so that a second time is harmless:
// but only ids that stand for one event, which those of index and delete operations may not.
// Letters the index refuses, or does not take for now until somebody acts, go to the file. It
// returns how many the index has taken.
func (c *client) buryInIndex(ctx context.Context, b *bulk, graves []*item) (inIndex int, fail *failure) {
	l := &c.letters
	l.reset(c.limit)
	for _, it := range graves {
		letter := item{event: it.event, index: c.policy.index, op: opCreate, start: len(l.raw)}
		if it.idempotent() {
			letter.id = it.id
		} else if c.indexWithoutID {
			letter.op = opIndex
		}
		l.raw = c.appendAction(l.raw, &letter, "")
		letter.source = len(l.raw)
		l.raw = append(c.enc.appendLetter(l.raw, &it.event.Content, it, b.raw[it.source:it.end]), '\n')
		letter.end = len(l.raw)
		l.items = append(l.items, letter)
	}
	fail = c.deliver(ctx, l, l.items)
	if f := c.settleSuspects(l); fail == nil {
		fail = f
	}
	var toFile []*item
	for i, it := range graves {
		switch letter := &l.items[i]; letter.outcome {
		case delivered, duplicate:
			it.outcome = buried
			inIndex++
		case refused:
			it.why.text = bounded(it.why.text+"; dead letter: "+letter.why.String(), maxReason)
			toFile = append(toFile, it)
		default:
			it.outcome = pending
		}
	}
	if l.retried > 0 && fail == nil {
		fail = &failure{items: l.retried}
		fail.err, fail.loud = l.retriedError()
	}
	if len(toFile) > 0 {
		if f := c.buryInFile(b, toFile); fail == nil {
			fail = f
		}
	}
	return inIndex, fail
}
