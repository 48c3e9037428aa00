package elasticsearch

import (
	"context"
	"fmt"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/beat/prepared"
)

// bury brings the refused items of b to where the policy wants them. When it can't they are
// pending again: Elasticsearch will refuse them once more and the dead letter is tried again.
func (l *lane) bury(ctx context.Context, b *bulk) *failure {
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
	for _, it := range graves {
		prepared.Ordinary(&it.event.Content)
	}
	switch {
	case l.policy.drop:
		settle(graves, dropped)
	case l.policy.index != "":
		inIndex, fail = l.buryInIndex(ctx, b, graves)
	default:
		fail = l.buryInFile(b, graves)
	}
	for _, it := range graves {
		switch it.outcome {
		case buried:
			deadletter.Note(&it.event.Content)
		case dropped:
			deadletter.NoteDropped(&it.event.Content)
		}
	}
	l.logGraves(graves, inIndex)
	return fail
}

// logGraves tells of events that the policy has been applied to; inIndex of them are in its index.
func (l *lane) logGraves(graves []*item, inIndex int) {
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
		{n[dropped], "dropped"}, {inIndex, "now in index " + l.policy.index}, {inFile, "now in " + l.policy.file.Path},
		{n[pending], "waiting until they can be put aside"},
	} {
		if part.n > 0 {
			where += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	log := l.log.Warnf
	if n[pending] > 0 || l.policy.index != "" && inFile > 0 {
		log = l.log.Errorf
	}
	log("%d events are refused for good%s. One of them: index %q, id %q, because of %v",
		len(graves), where, bounded(worst.index, 256), bounded(worst.id, 128), worst.why)
}

func settle(items []*item, o outcome) {
	for _, it := range items {
		it.outcome = o
	}
}

func (l *lane) buryInFile(b *bulk, graves []*item) *failure {
	var lines []byte
	for _, it := range graves {
		lines = append(l.appendLetter(lines, &it.event.Content, it, b.raw[it.source:it.end]), '\n')
	}
	if err := l.policy.file.Append(lines); err != nil {
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
func (l *lane) buryInIndex(ctx context.Context, b *bulk, graves []*item) (inIndex int, fail *failure) {
	letters := &l.letters
	letters.reset(l.limit)
	for _, it := range graves {
		letter := item{event: it.event, index: l.policy.index, op: opCreate, start: len(letters.raw)}
		if it.idempotent() {
			letter.id = it.id
		} else if l.dialect.indexWithoutID {
			letter.op = opIndex
		}
		letters.raw = l.appendAction(letters.raw, &letter, "")
		letter.source = len(letters.raw)
		letters.raw = append(l.appendLetter(letters.raw, &it.event.Content, it, b.raw[it.source:it.end]), '\n')
		letter.end = len(letters.raw)
		letters.items = append(letters.items, letter)
	}
	fail = l.deliver(ctx, letters, letters.items)
	if f := l.settleSuspects(letters); fail == nil {
		fail = f
	}
	var toFile []*item
	for i, it := range graves {
		switch letter := &letters.items[i]; letter.outcome {
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
	if letters.retried > 0 && fail == nil {
		fail = &failure{items: letters.retried}
		fail.err, fail.loud = letters.retriedError()
	}
	if len(toFile) > 0 {
		if f := l.buryInFile(b, toFile); fail == nil {
			fail = f
		}
	}
	return inIndex, fail
}
