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
	where := "dropped"
	switch {
	case c.policy.drop:
		settle(graves, dropped)
	case c.policy.index != "":
		where = "put aside, in index " + c.policy.index + " or what that refuses in " + c.policy.file.path
		fail = c.buryInIndex(ctx, b, graves)
	default:
		where = "now in " + c.policy.file.path
		fail = c.buryInFile(b, graves)
	}
	it := graves[0]
	first := fmt.Sprintf("The first: index %q, id %q, because of %v", bounded(it.index, 256), bounded(it.id, 128), it.why)
	if fail == nil {
		c.log.Warnf("%d events are refused for good and %s. %s", len(graves), where, first)
	} else {
		c.log.Errorf("%d events are refused for good and cannot be put aside, so they have to wait. %s", len(graves), first)
	}
	return fail
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
	if err := c.policy.file.append(lines); err != nil {
		settle(graves, pending)
		return &failure{err: err, loud: true}
	}
	settle(graves, buried)
	return nil
}

// buryInIndex sends the letters with the ids of their events, so that a second time is harmless:
// but only ids that stand for one event, which those of index and delete operations may not.
// Letters the index refuses go to the file.
func (c *client) buryInIndex(ctx context.Context, b *bulk, graves []*item) *failure {
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
	fail := c.deliver(ctx, l, l.items)
	if f := c.settleSuspects(l); fail == nil {
		fail = f
	}
	var toFile []*item
	for i, it := range graves {
		switch letter := &l.items[i]; letter.outcome {
		case delivered, duplicate:
			it.outcome = buried
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
		c.log.Errorf("%d dead letters are refused by index %s and go to %s", len(toFile), c.policy.index, c.policy.file.path)
		if f := c.buryInFile(b, toFile); fail == nil {
			fail = f
		}
	}
	return fail
}
